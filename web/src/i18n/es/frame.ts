/** El marco de todas las vistas: enlaces, idioma, tema, conexión, teclas. */
import type { frame as english } from "../en/frame";
import type { Spanish } from "./spanish";

export const frame: Spanish<typeof english> = {
  views: { overview: "Resumen", processes: "Procesos", requests: "Solicitudes", reports: "Informes", health: "Estado" },
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
    staleStrip: "Sin datos nuevos desde hace {{age}}. Las cifras son de ese momento. Reconectando…",
    connectingTitle: "Conectando con memtap…",
    connectingHint: "Los primeros datos llegan en un segundo, más o menos. Si este mensaje no desaparece, compruebe que memtap está en marcha:",
    problem: "El último intento falló: {{why}}",
  },
  failure: {
    what: "No se pudo mostrar esta vista.",
    next: "memtap sigue capturando. Vuelva a cargar la página. Si vuelve a ocurrir, envíenos este mensaje:",
    reload: "Volver a cargar",
  },
  keys: {
    title: "Teclas",
    search: "buscar o filtrar",
    move: "recorrer las filas",
    page: "avanzar o retroceder una página",
    open: "abrir el proceso",
    close: "cerrar el panel o el diálogo",
    pause: "pausar o reanudar el flujo o la tabla",
    fold: "contraer o desplegar una fila",
    group: "agrupar por programa, usuario o contenedor",
    tree: "árbol de procesos",
    views: "Resumen, Procesos, Solicitudes, Informes, Estado",
    help: "mostrar esta lista",
  },
};
