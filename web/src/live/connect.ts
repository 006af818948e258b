/** The socket: turns what the server sends into events of the store. Reconnects by itself, for ever. */
import { io } from "socket.io-client";
import { dispatch } from "../model/store";
import type { Snapshot, Tick } from "../model/wire";

export function connect(): void {
  const socket = io("/live", {
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 3_000,
  });
  socket.on("connect", () => dispatch({ type: "connected" }));
  socket.on("disconnect", (reason) => dispatch({ type: "disconnected", problem: reason }));
  socket.on("connect_error", (error) => dispatch({ type: "disconnected", problem: error.message }));
  socket.on("snapshot", (snapshot: Snapshot) => dispatch({ type: "snapshot", at: Date.now(), snapshot }));
  socket.on("tick", (tick: Tick) => dispatch({ type: "tick", at: Date.now(), tick }));
}
