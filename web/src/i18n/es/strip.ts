/** La franja bajo el título: el estado de la máquina. */
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
    programs: "Memoria de los programas: páginas anónimas, archivos proyectados y memoria compartida, cada página contada una vez (AnonPages + Mapped + Shmem).",
    cache: "Archivos en caché que el núcleo puede descartar cuando hace falta memoria (Cached + Buffers + SReclaimable, sin páginas proyectadas ni compartidas).",
    kernel: "Memoria del propio núcleo: MemTotal menos las demás partes.",
    free: "Memoria sin usar (MemFree).",
  },
  own: "{{size}} sin compartir",
  rest: "programas más pequeños y memoria que comparten los programas",
  highestPressure: "presión máxima",
  refused: "rechazadas",
  pressure: "presión",
  noPressure: "este núcleo no la indica",
  underPressure: "falta memoria",
  perSecond: "solicitudes/s",
  refusedPerSecond: "rechazadas/s",
  lost: "perdidas",
  lostWord: "flujo incompleto",
  unexplained: "sin explicar",
  oomKills: "muertes por OOM",
  oomLatest: "última: {{name}}",
  host: "equipo",
  allHosts: "todos los equipos",
  source: "fuente",
};
