/** Informes: elección del intervalo y de los programas, y los documentos. */
import type { reports as english } from "../en/reports";
import type { Spanish } from "./spanish";

export const reports: Spanish<typeof english> = {
  title: "Crear un informe",
  about:
    "Un solo archivo autónomo: la memoria de la máquina, los programas que más memoria solicitaron y cómo cambió eso, los rechazos y sus motivos, hallazgos con consejos y las lagunas conocidas de los datos.",
  time: "Intervalo",
  timeHint: "el elegido arriba",
  programs: "Programas",
  allPrograms: "todos los programas",
  programsHint: "un nombre; * equivale a cualquier texto",
  compare: "Comparado con",
  comparisons: { none: "nada", before: "el intervalo justo anterior", day: "el día anterior", week: "la semana anterior" },
  formats: { html: "Abrir el informe", md: "Markdown", json: "JSON", csv: "CSV" },
  formatHints: {
    html: "un archivo HTML con gráficos; imprímalo o guárdelo con Ctrl-S",
    md: "para una incidencia o una wiki",
    json: "todas las cifras, para scripts; tamaños en bytes",
    csv: "para una hoja de cálculo",
  },
  terminal: "Lo mismo en una terminal",
  terminalHint: "Para ejecutarlo con un temporizador o enviarlo por correo cada mañana:",
  noHistory: "No hay ningún historial del que hacer un informe.",
  noHistoryHint: "memtap arrancó con --store none. Con una base de datos guarda un historial:",
};
