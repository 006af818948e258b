/** Informes: qué tiempo y qué programas, y los documentos que se hacen de ellos. */
import type { reports as english } from "../en/reports";
import type { Spanish } from "./spanish";

export const reports: Spanish<typeof english> = {
  title: "Un informe para guardar o enviar",
  about:
    "La memoria de la máquina, los programas que más pidieron y cómo cambió, lo que se rechazó y por qué, hallazgos con consejo, y lo que falta: un solo fichero que no necesita nada más.",
  time: "Tiempo",
  timeHint: "el elegido arriba",
  programs: "Programas",
  allPrograms: "todos los programas",
  programsHint: "un nombre; * vale por cualquier parte",
  compare: "Comparado con",
  comparisons: { none: "nada", before: "el tiempo justo anterior", day: "el día anterior", week: "la semana anterior" },
  formats: { html: "Abrir el informe", md: "Markdown", json: "JSON", csv: "CSV" },
  formatHints: {
    html: "un fichero HTML con sus gráficos; se imprime bien, guárdelo con Ctrl-S",
    md: "para una incidencia o una wiki",
    json: "todas las cifras para programas, tamaños en bytes",
    csv: "para una hoja de cálculo",
  },
  terminal: "Lo mismo en un terminal",
  terminalHint: "Para un temporizador o un correo cada mañana:",
  noHistory: "No hay historial del que informar.",
  noHistoryHint: "memtap se arrancó con --store none. Con su propia base de datos guarda lo que ve:",
};
