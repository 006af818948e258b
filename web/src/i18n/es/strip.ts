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
  known: {
    programs: "Lo que tienen los programas: páginas anónimas, ficheros proyectados y memoria compartida, cada cosa contada una vez (AnonPages + Mapped + Shmem).",
    cache: "Copias de ficheros que el núcleo devuelve cuando hace falta memoria (Cached + Buffers + SReclaimable, sin lo proyectado ni lo compartido).",
    kernel: "Lo que el núcleo usa para sí: el resto de MemTotal.",
    free: "Memoria que nadie usa (MemFree).",
  },
  own: "{{size}} propios",
  rest: "programas menores, y lo que los programas comparten",
  highestPressure: "presión máxima",
  refused: "rechazados",
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
  allHosts: "todos los equipos",
  source: "fuente",
};
