/**
 * Una frase para la primera visita a una vista o al panel de un proceso: qué muestra y qué se puede
 * hacer.
 */
import type { hints as english } from "../en/hints";
import type { Spanish } from "./spanish";

export const hints: Spanish<typeof english> = {
  overview: "Con qué frecuencia piden memoria los programas y cuáles piden más. Pase el cursor por una palabra subrayada con puntos para ver su significado.",
  processes: "Todos los procesos, la memoria que usan y la que han solicitado. Haga clic en una cabecera para ordenar o en una fila para ver los detalles. Pulse / para buscar.",
  process: "El libro explica la memoria de este proceso: cada cambio desde que memtap lo vio por primera vez, con su causa y hasta el último byte.",
  requests: "Cada línea es una llamada de memoria de un hilo, con la respuesta del núcleo. La más reciente está abajo. Pulse la barra espaciadora para pausar.",
  reports: "Un documento sobre el intervalo elegido arriba, para leer, imprimir o enviar.",
  health: "¿Lo ve todo memtap, lo guarda todo y cuánto cuesta?",
};
