/** Una frase para la primera visita a una vista, y al panel de un proceso: qué se ve aquí y qué se puede hacer. */
import type { hints as english } from "../en/hints";
import type { Spanish } from "./spanish";

export const hints: Spanish<typeof english> = {
  overview: "Con qué frecuencia piden memoria los programas y cuáles piden más. Señale una palabra con línea de puntos para ver su significado.",
  processes: "Todos los procesos, la memoria que usan y la que han pedido. Haga clic en una cabecera para ordenar o en una fila para ver los detalles. Pulse / para buscar.",
  process: "El libro explica la memoria de este proceso: cada cambio con su causa, byte a byte, desde que memtap lo vio por primera vez.",
  requests: "Cada línea es una llamada de memoria de un hilo, con la respuesta del núcleo. La más reciente está abajo. Pulse la barra espaciadora para pausar.",
  reports: "Un documento sobre el tiempo elegido arriba, para leer, imprimir o enviar.",
  health: "¿Lo ve todo memtap, lo guarda todo y cuánto cuesta?",
};
