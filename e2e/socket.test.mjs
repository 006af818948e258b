// The original system's clients keep working, and the page's events match the documentation.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { hex, startFixture, startMemtap, until } from "./memtap.mjs";

let memtap;
before(async () => {
  memtap = await startMemtap();
});
after(() => memtap.stop());

function connect(t, namespace, transports) {
  const socket = io(`${memtap.url}${namespace}`, { transports, forceNew: true, reconnection: false });
  t.after(() => socket.disconnect());
  return socket;
}

/** Waits for the next `count` events with this name. Returns each with the time when it arrived. */
function events(socket, name, count) {
  return new Promise((resolve, reject) => {
    const seen = [];
    const timer = setTimeout(() => reject(new Error(`${seen.length} of ${count} ${name} events`)), 8000);
    socket.on("connect_error", reject);
    socket.on(name, (event) => {
      seen.push({ event, at: Date.now() });
      if (seen.length === count) {
        clearTimeout(timer);
        resolve(seen);
      }
    });
  });
}

/**
 * Repeats `look` until it returns a value. Events contain only the latest 1,000 requests, so a busy
 * machine may need another try.
 */
async function retried(look) {
  for (let tries = 0; tries < 8; tries++) {
    const answer = await look();
    if (answer) return answer;
  }
  throw new Error("not among the latest requests of eight updates");
}

for (const transports of [["websocket"], ["polling"]]) {
  test(`update by ${transports}: at once, then every second, in the original's shape`, async (t) => {
    const begin = Date.now();
    const socket = connect(t, "", transports);
    const seen = await events(socket, "update", 4);
    assert.ok(seen[0].at - begin < 900, "at once");
    assert.ok(seen[3].at - seen[1].at > 1500 && seen[3].at - seen[1].at < 2900, "every second");
    const name = 'a,"b"\n';
    const { update, request, pid } = await retried(async () => {
      const fixture = await startFixture(t, "named", hex(name), "7654321");
      const next = events(socket, "update", 2);
      await fixture.go();
      const update = (await next).at(-1).event;
      const request = update.memoryRequests.find((row) => row.pid === fixture.pid && row.memory_size === 7655424);
      return request && { update, request, pid: fixture.pid };
    });
    assert.deepEqual(Object.keys(update).sort(), ["memoryRequests", "pieChartData", "processes"]);
    const { timestamp, ...fields } = request;
    assert.deepEqual(fields, { pid, process_name: name, my_call: "mmap", memory_size: 7655424 });
    assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const process = update.processes.find((row) => row.pid === pid);
    assert.equal(process.memory_used, "7655424", "what it mapped under this name");
    assert.match(process.memory_percentage, /^\d+\.\d{4}$/);
    assert.ok(update.pieChartData.length <= 11 && update.memoryRequests.length <= 1000);
    assert.ok(update.pieChartData.every((slice) => /^\d+$/.test(slice.total_memory)));
  });
}

test("/live: a snapshot, then ticks that carry a new process and its requests", async (t) => {
  const socket = connect(t, "/live", ["websocket"]);
  const [{ event: snapshot }] = await events(socket, "snapshot", 1);
  assert.ok(snapshot.processes.length > 0 && snapshot.host.memory.total_bytes > 0);
  assert.equal(snapshot.health.source, "bpf");
  const { changed, request } = await retried(async () => {
    const ticks = events(socket, "tick", 3);
    const fixture = await startFixture(t, "named", hex("ticker"), "3456789");
    await fixture.go();
    const seen = (await ticks).map(({ event }) => event);
    const own = (row) => row.pid === fixture.pid;
    const request = seen.flatMap((tick) => tick.requests.filter(own)).find((row) => row.memory_size === 3457024);
    return request && { request, changed: seen.flatMap((tick) => tick.changed.filter(own)) };
  });
  assert.equal(request.delta_bytes, 3457024);
  assert.equal(changed.at(-1).name, "ticker");
});

/** A busy program that makes more requests in a second than one event carries. */
const BUSY = `
import mmap, time
while True:
    for _ in range(60):
        mmap.mmap(-1, 65536).close()
    time.sleep(0.05)
`;

/**
 * A client that does not read its socket until it gets a line on stdin. Then it prints the number
 * of ticks before the next snapshot.
 */
const MUTE = `
import re, socket, sys, time
def sent(text):
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text.encode()
link = socket.socket()
link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
link.connect(("127.0.0.1", int(sys.argv[1])))
link.sendall(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\\r\\nHost: 127.0.0.1:" + sys.argv[1].encode() + b"\\r\\nConnection: Upgrade\\r\\n"
    b"Upgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: bWVtdGFwIG1lbXRhcCBtZQ==\\r\\n\\r\\n")
link.sendall(sent("40") + sent("40/live,"))
# The server sends its first ping at once; answer it.
time.sleep(1)
link.sendall(sent("3"))
print("there", flush=True)
sys.stdin.readline()
link.settimeout(10)
events, buffer = [], b""
while events.count(b"snapshot") < 2:
    more = link.recv(1 << 20)
    if not more:
        sys.exit("memtap has hung up")
    buffer, end = buffer + more, 0
    for event in re.finditer(b'42/live,."(snapshot|tick)"', buffer):
        events.append(event[1])
        end = event.end()
    buffer = buffer[end:][-18:]
print(events.index(b"snapshot", 1) - 1, flush=True)
`;

function started(t, script, ...args) {
  const child = spawn("python3", ["-c", script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  return { line, send: (text) => child.stdin.write(`${text}\n`) };
}

test("a client that stops reading does not delay nine others, and gets no backlog when it resumes", async (t) => {
  started(t, BUSY);
  const mute = started(t, MUTE, String(memtap.port));
  assert.equal(await mute.line(), "there");
  const clients = Array.from({ length: 9 }, () => {
    const socket = connect(t, "/live", ["websocket"]);
    const times = [];
    for (const name of ["snapshot", "tick"]) socket.on(name, ({ time }) => times.push(time));
    return { socket, times };
  });
  const [first] = clients;
  // The server queues sixteen events for a client, and this one receives those of two namespaces.
  // The kernel buffers 4 MiB, which is about nine seconds. A client that cannot receive the ping
  // after 25 seconds is disconnected.
  const UPDATES = 20;
  await until("the first client has its updates", () => Promise.resolve(first.times.length >= UPDATES), 60_000);
  const since = (times) => times.slice(times.indexOf(first.times[2]), times.indexOf(first.times[UPDATES - 2]) + 1);
  const expected = first.times.slice(2, UPDATES - 1);
  for (const { times } of clients) assert.deepEqual(since(times), expected, "each update, in order");
  mute.send("read on");
  const kept = Number(await mute.line());
  assert.ok(kept > 0 && kept < UPDATES - 1, `${kept} updates were kept for it`);
});

test("/live: a client that focuses on a process gets its requests separately, for up to 32 processes", async (t) => {
  const look = (socket, pid) => socket.timeout(15_000).emitWithAck("focus", { pid });
  const fixture = await startFixture(t, "named", hex("looked at"), "3456789");
  const socket = connect(t, "/live", ["websocket"]);
  assert.deepEqual(await look(socket, fixture.pid), { focused: true, most: 32 });
  const [first] = await events(socket, "focused", 1);
  assert.deepEqual([first.event.pid, first.event.requests, first.event.skipped], [fixture.pid, [], 0]);
  const coming = events(socket, "focused", 3);
  await fixture.go();
  const requests = (await coming).flatMap(({ event }) => event.requests);
  assert.ok(requests.some((request) => request.memory_size === 3457024), "its mmap");
  assert.ok(requests.every((request) => request.pid === fixture.pid), "and nobody else's");

  const others = Array.from({ length: 32 }, () => connect(t, "/live", ["websocket"]));
  const answers = await Promise.all(others.map((other, i) => look(other, 4_000_000 + i)));
  assert.equal(answers.filter(({ focused }) => focused).length, 31, "one is looked at already");
  assert.equal((await look(connect(t, "/live", ["websocket"]), fixture.pid)).focused, true, "whom another looks at costs nothing");
  assert.equal((await look(others[0], null)).focused, false);
  assert.equal((await look(others.find((_, i) => !answers[i].focused), 5_000_000)).focused, true, "there is room again");
  assert.equal((await look(connect(t, "", ["websocket"]), fixture.pid)).focused, false, "the original's clients know of none");
});

test("a foreign Host or Origin is refused, also for WebSockets", async () => {
  const status = async (headers) => (await raw(memtap.port, headers)).split(" ")[1];
  assert.equal(await status({ Host: "evil.example" }), "421");
  assert.equal(await status({ Host: `127.0.0.1:${memtap.port}`, Origin: "http://evil.example" }), "403");
  assert.equal(await status({ Host: `127.0.0.1:${memtap.port}`, Origin: "http://localhost:5173" }), "200");
  const socket = io(memtap.url, {
    transports: ["websocket"],
    extraHeaders: { Origin: "http://evil.example" },
    reconnection: false,
    forceNew: true,
  });
  await new Promise((resolve, reject) => {
    socket.on("connect_error", resolve);
    socket.on("connect", () => reject(new Error("a stranger's page got in")));
  });
  socket.disconnect();
});

/** fetch() does not allow a caller to set Host; a socket does. */
async function raw(port, headers) {
  const { connect } = await import("node:net");
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`GET /api/v1/health HTTP/1.1\r\n${lines.join("")}Connection: close\r\n\r\n`);
    });
    let text = "";
    socket.on("data", (data) => (text += data));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}
