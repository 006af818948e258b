/**
 * The socket. It turns the server's messages into events of the store, reconnects by itself, and
 * disconnects while the page is hidden.
 */
import { io, type Socket } from "socket.io-client";
import { dispatch } from "../model/store";
import type { FocusAnswer, FocusedRequests, ProcessId, Snapshot, Tick } from "../model/wire";
import { updateClock } from "./clock";
import { unpacked } from "./packed";

/**
 * A tab that is hidden for this long disconnects. When it is visible again, it gets a full
 * snapshot.
 */
const REST_AFTER_MS = 10_000;

let connection: Socket | null = null;
/** The focused process, which a new connection must request again. */
let focus: ProcessId | null = null;

export function connect(): void {
  const socket = io("/live", {
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 3_000,
    auth: { gzip: true },
  });
  connection = socket;
  socket.on("connect", () => {
    dispatch({ type: "connected" });
    if (focus !== null) sendFocus();
  });
  socket.on("disconnect", (reason) => dispatch({ type: "disconnected", problem: reason }));
  socket.on("connect_error", (error) => dispatch({ type: "disconnected", problem: error.message }));

  // Decompression is asynchronous; a chain of promises keeps the order of events.
  let last: Promise<void> = Promise.resolve();
  const inOrder = <T>(event: string, handle: (payload: T, at: number) => void) =>
    socket.on(event, (packed: ArrayBuffer) => {
      const at = Date.now();
      const payload = unpacked<T>(packed);
      last = last.then(async () => handle(await payload, at));
    });
  inOrder<Snapshot>("snapshot", (snapshot, at) => {
    updateClock(snapshot.health.source, snapshot.time);
    dispatch({ type: "snapshot", at, snapshot });
  });
  inOrder<Tick>("tick", (tick, at) => {
    updateClock(tick.health.source, tick.time);
    dispatch({ type: "tick", at, tick });
  });
  inOrder<FocusedRequests>("focused", (focused) => dispatch({ type: "focused", focused }));
  restWhileHidden(socket);
}

/** Focuses on a process, or on none. The server sends the requests of that process separately. */
export function lookAt(id: ProcessId | null): void {
  focus = id;
  dispatch({ type: "focus", id });
  if (connection?.connected === true) sendFocus();
}

function sendFocus(): void {
  const asked = focus;
  connection?.emit("focus", { pid: asked?.pid ?? null }, ({ focused }: FocusAnswer) => {
    if (!focused && asked !== null && asked === focus) dispatch({ type: "focus_refused" });
  });
}

function restWhileHidden(socket: Socket): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => socket.disconnect(), REST_AFTER_MS);
    else if (!socket.connected) socket.connect();
  });
}
