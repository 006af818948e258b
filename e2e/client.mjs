// Used by `cargo xtask bench`: receives the events of an open page for some seconds, and prints the
// traffic as one line of JSON. With PID, also the latency of that process's requests.
//   node client.mjs URL SECONDS [PID]
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";

const [url, seconds, pid] = process.argv.slice(2);
const client = io(`${url}/live`, { transports: ["websocket"], forceNew: true });
const latencies = [];
let [ticks, from] = [0, 0];
await new Promise((there) => client.once("snapshot", there));
const bytes = () => client.io.engine.transport.ws._socket.bytesRead;
client.on("tick", (tick) => {
  ticks += 1;
  if (ticks === 1) from = bytes();
  const now = Date.now();
  for (const request of tick.requests) if (String(request.pid) === pid) latencies.push(now - Date.parse(request.timestamp));
});
await sleep(seconds * 1000);
latencies.sort((one, other) => one - other);
const part = (share) => latencies[Math.floor((latencies.length - 1) * share)] ?? null;
console.log(JSON.stringify({ ticks, bytes_a_second: (bytes() - from) / seconds, seen: latencies.length, p50_ms: part(0.5), p99_ms: part(0.99) }));
client.close();
