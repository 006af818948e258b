/** Qué momento muestra la página, y qué dice el historial cuando no tiene nada que mostrar. */
import type { time as english } from "../en/time";
import type { Spanish } from "./spanish";

export const time: Spanish<typeof english> = {
  label: "Momento que se muestra",
  last: "desde hace {{span}}",
  backToLive: "Volver al directo",
  earlier: "Antes",
  later: "Después",
  wider: "El doble de largo",
  liveHint: "En directo, mirando atrás:",
  rangeHint: "O un tiempo pasado, en todas las vistas:",
  today: "Hoy",
  yesterday: "Ayer",
  from: "Desde",
  to: "Hasta",
  show: "Mostrar",
  wrong: "El final tiene que ser posterior al comienzo.",
  asking: "Consultando el historial…",
  failed: "El historial no ha contestado.",
  nothing: "En el historial no hay nada de ese tiempo.",
  nothingHint: "memtap no estaba en marcha entonces, o lo que guardó ya ha caducado. Elija arriba otro momento.",
};
