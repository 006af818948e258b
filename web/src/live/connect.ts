/** The socket: turns what the server sends into events of the store. Reconnects by itself, for ever; while nobody sees the page it rests. */
import { io, type Socket } from "socket.io-client";
import { dispatch } from "../model/store";
import type { FocusAnswer, FocusedRequests, ProcessId, Snapshot, Tick } from "../model/wire";
import { hear } from "./clock";
import { unpacked } from "./packed";

/** A tab that is hidden for so long is sent nothing until it is seen again: then it gets the whole state. */
const REST_AFTER_MS = 10_000;

let connection: Socket | null = null;
/** The process that the page looks at; a new connection must hear of it again. */
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
    if (focus !== null) tellFocus();
  });
  socket.on("disconnect", (reason) => dispatch({ type: "disconnected", problem: reason }));
  socket.on("connect_error", (error) => dispatch({ type: "disconnected", problem: error.message }));

  // Unpacking takes a moment; one after the other keeps their order.
  let last: Promise<void> = Promise.resolve();
  const inOrder = <T>(event: string, take: (payload: T, at: number) => void) =>
    socket.on(event, (packed: ArrayBuffer) => {
      const at = Date.now();
      const payload = unpacked<T>(packed);
      last = last.then(async () => take(await payload, at));
    });
  inOrder<Snapshot>("snapshot", (snapshot, at) => {
    hear(snapshot.health.source, snapshot.time);
    dispatch({ type: "snapshot", at, snapshot });
  });
  inOrder<Tick>("tick", (tick, at) => {
    hear(tick.health.source, tick.time);
    dispatch({ type: "tick", at, tick });
  });
  inOrder<FocusedRequests>("focused", (focused) => dispatch({ type: "focused", focused }));
  restWhileHidden(socket);
}

/** Looks at a process, or at none any more: its requests then come apart from everybody's. */
export function lookAt(id: ProcessId | null): void {
  focus = id;
  dispatch({ type: "focus", id });
  if (connection?.connected === true) tellFocus();
}

function tellFocus(): void {
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
