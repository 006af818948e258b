/** Qué momento muestra la página, y qué dice el historial cuando no tiene nada que mostrar. */
import type { time as english } from "../en/time";
import type { Spanish } from "./spanish";

export const time: Spanish<typeof english> = {
  label: "Momento que se muestra",
  last: "desde hace {{span}}",
  backToLive: "Volver al directo",
  earlier: "Antes",
  later: "Después",
  wider: "Ampliar el intervalo",
  liveHint: "En directo, mostrando los últimos:",
  rangeHint: "O un tiempo pasado, para todas las vistas:",
  today: "Hoy",
  yesterday: "Ayer",
  from: "Desde",
  to: "Hasta",
  show: "Mostrar",
  wrong: "El final tiene que ser posterior al comienzo.",
  asking: "Cargando el historial…",
  failed: "El historial no ha contestado.",
  nothing: "En el historial no hay nada de ese tiempo.",
  nothingHint: "memtap no estaba en marcha entonces, o los datos ya han caducado. Elija arriba otro momento.",
};
