/** Una frase para la primera visita a una vista, y al panel de un proceso: qué se ve aquí y qué se puede hacer. */
import type { hints as english } from "../en/hints";
import type { Spanish } from "./spanish";

export const hints: Spanish<typeof english> = {
  overview: "De un vistazo: con qué frecuencia piden memoria los programas y cuáles piden más. Las palabras con línea de puntos muestran su significado.",
  processes: "Cada proceso con lo que usa y lo que ha pedido. Un clic en la cabecera ordena y en una fila la muestra entera; / busca.",
  process: "El libro dice por qué este proceso tiene la memoria que tiene: cada causa desde que memtap lo conoce, byte a byte.",
  requests: "Cada línea es una llamada de un programa sobre memoria, con lo que respondió el núcleo; la más reciente está abajo. La barra espaciadora pausa.",
  reports: "Un documento del tiempo elegido arriba: para leer, imprimir o enviar.",
  health: "¿Lo ve todo memtap, lo guarda todo, y cuánto le cuesta a esta máquina?",
};
