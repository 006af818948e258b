/** El marco de todas las vistas: enlaces, idioma, tema, conexión, teclas. */
import type { frame as english } from "../en/frame";
import type { Spanish } from "./spanish";

export const frame: Spanish<typeof english> = {
  views: { overview: "Resumen", processes: "Procesos", requests: "Pedidos", reports: "Informes", health: "Estado" },
  loading: "Cargando…",
  skip: "Ir al contenido",
  otherLanguage: "English",
  switchLanguage: "Switch to English",
  theme: {
    name: {
      system: "Sistema",
      light: "Claro",
      dark: "Oscuro",
    },
    change: "Tema: {{now}}. Cambiar a: {{next}}",
  },
  closeHint: "No volver a mostrarlo",
  help: "Teclas",
  close: "Cerrar",
  copy: "Copiar",
  copied: "Copiado",
  copyLink: "Copiar enlace",
  connection: {
    state: {
      live: "en vivo",
      stale: "sin datos nuevos",
      connecting: "conectando",
      recorded: "grabación",
    },
    staleStrip: "Sin datos nuevos desde hace {{age}}. Estas cifras son de ese momento; se está volviendo a llamar a memtap.",
    connectingTitle: "Conectando con memtap…",
    connectingHint: "Los primeros datos tardan un segundo. Si esto no cambia, compruebe que memtap sigue en marcha:",
    problem: "El último intento falló: {{why}}",
  },
  failure: {
    what: "Esta vista no se pudo dibujar.",
    next: "memtap sigue funcionando. Vuelva a cargar la página; si se repite, avísenos con este mensaje:",
    reload: "Volver a cargar",
  },
  keys: {
    title: "Teclas",
    search: "buscar o filtrar",
    move: "recorrer las filas",
    page: "avanzar o retroceder una página",
    open: "abrir el proceso",
    close: "cerrar lo que esté abierto",
    pause: "pausar o seguir el flujo, o la tabla",
    fold: "cerrar y abrir lo que hay bajo una fila",
    group: "agrupar por programa, usuario, contenedor",
    tree: "árbol de procesos y sus padres",
    views: "Resumen, Procesos, Pedidos, Informes, Estado",
    help: "esta lista",
  },
};
