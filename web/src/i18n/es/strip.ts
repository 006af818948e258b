/** La franja bajo el título: la máquina de un vistazo. */
import type { strip as english } from "../en/strip";
import type { Spanish } from "./spanish";

export const strip: Spanish<typeof english> = {
  label: "La máquina de un vistazo",
  memory: "Memoria de la máquina",
  parts: {
    programs: "programas",
    cache: "caché",
    kernel: "núcleo",
    free: "libre",
  },
  pressure: "presión",
  noPressure: "este núcleo no la informa",
  underPressure: "falta memoria",
  perSecond: "pedidos/s",
  refusedPerSecond: "rechazados/s",
  lost: "perdidos",
  lostWord: "flujo incompleto",
  unexplained: "sin explicar",
  oomKills: "muertes por OOM",
  oomLatest: "última: {{name}}",
  host: "equipo",
  source: "fuente",
};
