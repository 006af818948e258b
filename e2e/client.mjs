// For `cargo xtask bench`: what a page that is open gets in so many seconds, as one line of JSON.
//   node client.mjs URL SECONDS [PID]     with PID: how long that process's requests took until they were here
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";

const [url, seconds, pid] = process.argv.slice(2);
const client = io(`${url}/live`, { transports: ["websocket"], forceNew: true });
const took = [];
let [ticks, from] = [0, 0];
await new Promise((there) => client.once("snapshot", there));
const bytes = () => client.io.engine.transport.ws._socket.bytesRead;
client.on("tick", (tick) => {
  ticks += 1;
  if (ticks === 1) from = bytes();
  const now = Date.now();
  for (const request of tick.requests) if (String(request.pid) === pid) took.push(now - Date.parse(request.timestamp));
});
await sleep(seconds * 1000);
took.sort((one, other) => one - other);
const part = (share) => took[Math.floor((took.length - 1) * share)] ?? null;
console.log(JSON.stringify({ ticks, bytes_a_second: (bytes() - from) / seconds, seen: took.length, p50_ms: part(0.5), p99_ms: part(0.99) }));
client.close();
