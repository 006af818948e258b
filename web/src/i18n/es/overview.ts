/** Resumen: sus gráficos. */
import type { overview as english } from "../en/overview";
import type { Spanish } from "./spanish";

export const overview: Spanish<typeof english> = {
  share: {
    titles: {
      requested: "Quién ha pedido más",
      granted: "A quién se ha concedido más",
      resident: "Quién tiene más memoria residente",
      virtual: "Quién tiene más espacio de direcciones",
    },
    by: "Comparar por",
    measures: { requested: "pedido", granted: "concedido", resident: "residente", virtual: "virtual" },
    kind: "Tipo de gráfico",
    since: "los 10 programas que más piden y los demás, desde que arrancó memtap",
    kinds: { treemap: "Mosaico", pie: "Circular" },
    others_one: "Los demás ({{count, number}} programa)",
    others_many: "Los demás ({{count, number}} de programas)",
    others_other: "Los demás ({{count, number}} programas)",
    empty: "Todavía no se ha pedido nada.",
    emptyHint: "El gráfico se llena a medida que los programas piden memoria.",
    noSource: "Sin eBPF memtap no ve los pedidos, así que este gráfico está vacío.",
    noSourceHint: "En Estado se explica cómo resolverlo.",
    aria: "Reparto por programa. {{list}}",
  },
  calls: {
    title: "Pedidos por segundo",
    others: "otras llamadas",
    refused: "rechazados",
    lost_one: "{{count, number}} perdido",
    lost_many: "{{count, number}} perdidos",
    lost_other: "{{count, number}} perdidos",
    description: "Pedidos por segundo y llamada en el tiempo que se muestra.",
  },
  memory: {
    title: "Memoria",
    programs: "por programa",
    machine: "de la máquina",
    description: "Memoria residente por programa en el tiempo que se muestra.",
    machineDescription: "La memoria de la máquina en el tiempo que se muestra: programas, núcleo y caché; el resto está libre.",
  },
  findings: {
    title: "Hallazgos",
    about: "lo que llama la atención en el tiempo que se muestra",
    none: "Nada llama la atención: ni rechazos importantes, ni fugas, ni presión de memoria.",
    severities: { notice: "aviso", warning: "atención", serious: "grave" },
    look: "Ver de cerca",
  },
  rates: {
    title: "Pedidos por segundo",
    since: "desde que se abrió esta página, diez minutos como máximo",
    requests: "pedidos/s",
    refused: "rechazados/s",
    lost_one: "{{count, number}} perdido",
    lost_many: "{{count, number}} perdidos",
    lost_other: "{{count, number}} perdidos",
    aria: "Pedidos por segundo desde que se abrió esta página: ahora {{now, rate}}, como máximo {{top, rate}}.",
  },
};
