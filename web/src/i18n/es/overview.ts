/** Resumen: sus gráficos y hallazgos. */
import type { overview as english } from "../en/overview";
import type { Spanish } from "./spanish";

export const overview: Spanish<typeof english> = {
  share: {
    titles: {
      requested: "Quién ha solicitado más",
      granted: "A quién se ha concedido más",
      resident: "Quién tiene más memoria residente",
      virtual: "Quién tiene el mayor espacio de direcciones",
    },
    by: "Comparar por",
    measures: { requested: "solicitado", granted: "concedido", resident: "residente", virtual: "virtual" },
    kind: "Tipo de gráfico",
    since: "los 10 programas principales y los demás, desde que arrancó memtap",
    kinds: { treemap: "Mosaico", pie: "Circular" },
    others_one: "Los demás ({{count, number}} programa)",
    others_many: "Los demás ({{count, number}} de programas)",
    others_other: "Los demás ({{count, number}} programas)",
    empty: "Todavía no se ha solicitado nada.",
    emptyHint: "El gráfico se llena a medida que los programas piden memoria.",
    noSource: "Sin eBPF memtap no ve las solicitudes, así que este gráfico está vacío.",
    noSourceHint: "En Estado se explica cómo resolverlo.",
    aria: "Reparto por programa. {{list}}",
  },
  calls: {
    title: "Solicitudes por segundo",
    others: "otras llamadas",
    refused: "rechazadas",
    lost_one: "{{count, number}} perdida",
    lost_many: "{{count, number}} perdidas",
    lost_other: "{{count, number}} perdidas",
    description: "Solicitudes por segundo, por llamada, en el intervalo mostrado.",
  },
  memory: {
    title: "Memoria",
    programs: "por programa",
    machine: "de la máquina",
    description: "Memoria residente por programa en el intervalo mostrado.",
    machineDescription: "La memoria de la máquina en el intervalo mostrado: programas, núcleo y caché. El resto está libre.",
  },
  findings: {
    title: "Hallazgos",
    about: "lo que llama la atención en el intervalo mostrado",
    none: "Nada llama la atención: ni rechazos importantes, ni fugas, ni presión de memoria.",
    severities: { notice: "aviso", warning: "atención", serious: "grave" },
    look: "Ver de cerca",
  },
  rates: {
    title: "Solicitudes por segundo",
    since: "desde que se abrió esta página, diez minutos como máximo",
    requests: "solicitudes/s",
    refused: "rechazadas/s",
    lost_one: "{{count, number}} perdida",
    lost_many: "{{count, number}} perdidas",
    lost_other: "{{count, number}} perdidas",
    aria: "Solicitudes por segundo desde que se abrió esta página: ahora {{now, rate}}, como máximo {{top, rate}}.",
  },
};
