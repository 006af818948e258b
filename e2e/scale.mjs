// What the page costs with many processes and many requests; printed, not asserted: node scale.mjs [PROCESSES] (MEMTAP as for the tests).
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";
import { open, startBrowser } from "./browser.mjs";
import { startMemtap, until } from "./memtap.mjs";

const PROCESSES = Number(process.argv[2] ?? 10_000);
const SECONDS = 20;

/** Sleepers, and one that makes 20,000 requests a second. */
const CROWD = `
import mmap, os, sys, time, signal
for _ in range(${PROCESSES}):
    if os.fork() == 0:
        signal.pause()
print("there", flush=True)
while True:
    begin = time.monotonic()
    for _ in range(200):
        mmap.mmap(-1, 65536).close()
    time.sleep(max(0, 0.02 - (time.monotonic() - begin)))
`;

/** Seconds of CPU that a process has taken. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function resident(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

const crowd = spawn("python3", ["-c", CROWD], { stdio: ["ignore", "pipe", "inherit"], detached: true });
const memtap = await startMemtap();
const browser = await startBrowser();
try {
  await new Promise((there) => crowd.stdout.once("data", there));
  const alive = async () => (await (await fetch(`${memtap.url}/api/v1/processes?limit=10000`)).json()).processes.length;
  await until("the crowd is known", async () => (await alive()) >= Math.min(PROCESSES, 10_000), 60_000);

  const quiet = await took(memtap.pid, SECONDS);
  const clients = Array.from({ length: 10 }, () => io(`${memtap.url}/live`, { transports: ["websocket"], forceNew: true, auth: { gzip: true } }));
  const [first] = clients;
  await new Promise((there) => first.once("snapshot", there));
  // One that never reads.
  clients[9].io.engine.transport.ws?._socket?.pause();
  const before = first.io.engine.transport.ws._socket.bytesRead;
  const busy = await took(memtap.pid, SECONDS);
  const read = first.io.engine.transport.ws._socket.bytesRead - before;
  console.log(`${PROCESSES} processes, 20,000 requests a second: one run of ${SECONDS} s`);
  console.log(`memtap without a client: ${percent(quiet)} of a CPU; with ten clients, one of which does not read: ${percent(busy)}`);
  console.log(`that is ${((1000 * (busy - quiet)) / SECONDS).toFixed(1)} ms more for each tick`);
  console.log(`traffic to one client: ${(read / SECONDS / 1000).toFixed(0)} kB/s`);
  console.log(`resident set: ${resident(memtap.pid).toFixed(0)} MiB`);
  await sleep(SECONDS * 1000);
  console.log(`resident set ${SECONDS} s later: ${resident(memtap.pid).toFixed(0)} MiB`);
  for (const client of clients) client.close();

  const { page } = await open(browser, memtap.url, "#/processes");
  await page.getByTestId("process-row").first().waitFor();
  const frames = await page.evaluate(scrolled, 10_000);
  console.log(`frames a second while scrolling: ${frames}`);
} finally {
  await browser.close();
  await memtap.stop();
  process.kill(-crowd.pid, "SIGKILL");
}

async function took(pid, seconds) {
  const before = cpu(pid);
  await sleep(seconds * 1000);
  return cpu(pid) - before;
}

function percent(seconds) {
  return `${((100 * seconds) / SECONDS).toFixed(1)} %`;
}

function scrolled(ms) {
  return new Promise((done) => {
    const table = document.querySelector("[data-testid=process-table]");
    let frames = 0;
    const begin = performance.now();
    const step = (now) => {
      frames += 1;
      table.scrollTop += 120;
      if (table.scrollTop + table.clientHeight >= table.scrollHeight - 200) table.scrollTop = 0;
      if (now - begin < ms) requestAnimationFrame(step);
      else done(Math.round((1000 * frames) / (now - begin)));
    };
    requestAnimationFrame(step);
  });
}
