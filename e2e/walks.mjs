// Measures how PSS and mapping queries slow down the queried process: pairs of mmap and munmap per
// second alone, and with 20 clients. It prints the results and asserts nothing. It needs MEMTAP, as
// the tests do.
//   node walks.mjs [--clients 20] [--seconds 5] [--mappings 60000] [--touched-mib 512]
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startMemtap, until } from "./memtap.mjs";

const options = {
  clients: { type: "string", default: "20" },
  seconds: { type: "string", default: "5" },
  mappings: { type: "string", default: "60000" },
  "touched-mib": { type: "string", default: "512" },
};
const { values } = parseArgs({ options });
const CLIENTS = Number(values.clients);
const SECONDS = Number(values.seconds);

/**
 * Creates a large address space, then makes pairs for at most two minutes. Each output line is the
 * number of pairs so far.
 */
const BUSY = `
import mmap, time
kept = [mmap.mmap(-1, 4096) for _ in range(${Number(values.mappings)})]
large = mmap.mmap(-1, ${Number(values["touched-mib"])} << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
large.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, len(large), 4096):
    large[at] = 1
print("there", flush=True)
pairs, end = 0, time.monotonic() + 120
due = 0
while time.monotonic() < end:
    for _ in range(10):
        mmap.mmap(-1, 65536, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        pairs += 1
    if time.monotonic() > due:
        print(pairs, flush=True)
        due = time.monotonic() + 0.1
`;

const busy = spawn("python3", ["-c", BUSY], { stdio: ["ignore", "pipe", "inherit"] });
const memtap = await startMemtap({ source: "procfs" });
let pairs = 0;
try {
  const lines = createInterface({ input: busy.stdout });
  await new Promise((there) => lines.once("line", there));
  lines.on("line", (line) => (pairs = Number(line)));
  await until("it is known", async () => (await fetch(`${memtap.url}/api/v1/processes/${busy.pid}`)).ok);
  const alone = await pairsPerSecond();
  const quit = new AbortController();
  const answers = { "?pss=true": 0, "/mappings": 0 };
  const asking = Array.from({ length: CLIENTS }, (_, n) => ask(n % 2 === 0 ? "?pss=true" : "/mappings", answers, quit.signal));
  await sleep(500);
  const beside = await pairsPerSecond();
  quit.abort();
  await Promise.all(asking);
  const number = (value) => Math.round(value).toLocaleString("en");
  console.log(`pairs a second alone ${number(alone)}, beside ${CLIENTS} clients ${number(beside)} (${((100 * beside) / alone).toFixed(1)} %); answers`, answers);
} finally {
  busy.kill("SIGKILL");
  await memtap.stop();
}

async function pairsPerSecond() {
  const [begin, before] = [performance.now(), pairs];
  await sleep(SECONDS * 1000);
  return (1000 * (pairs - before)) / (performance.now() - begin);
}

async function ask(what, answers, signal) {
  while (!signal.aborted) {
    const answer = await fetch(`${memtap.url}/api/v1/processes/${busy.pid}${what}`, { signal }).catch(() => undefined);
    if (answer?.ok) {
      await answer.text().catch(() => "");
      answers[what] += 1;
    }
  }
}
