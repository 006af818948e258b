/** El selector de tiempo y los mensajes cuando el historial no tiene datos. */
import type { time as english } from "../en/time";
import type { Spanish } from "./spanish";

export const time: Spanish<typeof english> = {
  label: "Intervalo mostrado",
  last: "desde hace {{span}}",
  backToLive: "Ver en vivo",
  earlier: "Antes",
  later: "Después",
  wider: "Ampliar el intervalo",
  liveHint: "En vivo, mostrando:",
  rangeHint: "O un intervalo pasado, para todas las vistas:",
  today: "Hoy",
  yesterday: "Ayer",
  from: "Desde",
  to: "Hasta",
  show: "Mostrar",
  wrong: "El final debe ser posterior al comienzo.",
  asking: "Cargando el historial…",
  failed: "El historial no respondió.",
  nothing: "En el historial no hay datos de este intervalo.",
  nothingHint: "memtap no estaba en marcha entonces, o los datos ya han caducado. Elija arriba otro intervalo.",
};
