// Measures the cost of the page with many processes and requests. It prints the results and asserts
// nothing. It needs MEMTAP, as the tests do.
//   node scale.mjs [--processes 10000] [--rate 20000]
//     measures memtap with ten clients, the first paint, scrolling, and a hidden tab
//   node scale.mjs --minutes 15 [--view overview] [--rate 2000]
//     measures the memory of a tab, once a minute
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";
import { open, startBrowser } from "./browser.mjs";
import { startMemtap, until } from "./memtap.mjs";
import { meter, opened, show } from "./tab.mjs";

const options = {
  processes: { type: "string" },
  rate: { type: "string" },
  minutes: { type: "string", default: "0" },
  view: { type: "string", default: "overview" },
};
const { values } = parseArgs({ options });
const MINUTES = Number(values.minutes);
const PROCESSES = Number(values.processes ?? (MINUTES > 0 ? 200 : 10_000));
const RATE = Number(values.rate ?? (MINUTES > 0 ? 2_000 : 20_000));
const SECONDS = 20;

/** Sleeping processes, and one that makes requests at the given rate. */
const CROWD = `
import mmap, os, sys, time, signal
for _ in range(${PROCESSES}):
    if os.fork() == 0:
        signal.pause()
print("there", flush=True)
while True:
    begin = time.monotonic()
    for _ in range(${RATE} // 100):
        mmap.mmap(-1, 65536).close()
    time.sleep(max(0, 0.02 - (time.monotonic() - begin)))
`;

const crowd = spawn("python3", ["-c", CROWD], { stdio: ["ignore", "pipe", "inherit"], detached: true });
const memtap = await startMemtap();
const browser = await startBrowser();
try {
  await new Promise((there) => crowd.stdout.once("data", there));
  const alive = async () => (await (await fetch(`${memtap.url}/api/v1/processes?limit=10000`)).json()).processes.length;
  await until("the crowd is known", async () => (await alive()) >= Math.min(PROCESSES, 10_000), 60_000);
  console.log(`${PROCESSES} processes, ${RATE.toLocaleString("en")} requests a second`);
  if (MINUTES > 0) await heldOverTime();
  else {
    await clientsCost();
    await firstPaint();
    await scrolling();
    await hiddenTab();
  }
} finally {
  await browser.close();
  await memtap.stop();
  process.kill(-crowd.pid, "SIGKILL");
}

async function clientsCost() {
  const quiet = await cpuUsed(memtap.pid, SECONDS);
  const clients = Array.from({ length: 10 }, () => io(`${memtap.url}/live`, { transports: ["websocket"], forceNew: true, auth: { gzip: true } }));
  const [first] = clients;
  await new Promise((there) => first.once("snapshot", there));
  // This client never reads.
  clients[9].io.engine.transport.ws?._socket?.pause();
  const before = first.io.engine.transport.ws._socket.bytesRead;
  const busy = await cpuUsed(memtap.pid, SECONDS);
  const read = first.io.engine.transport.ws._socket.bytesRead - before;
  console.log(`memtap without a client: ${percent(quiet)} of a CPU; with ten clients, one of which does not read: ${percent(busy)} (one run of ${SECONDS} s)`);
  console.log(`that is ${((1000 * (busy - quiet)) / SECONDS).toFixed(1)} ms more for each tick`);
  console.log(`traffic to one client: ${(read / SECONDS / 1000).toFixed(0)} kB/s`);
  console.log(`resident set: ${resident(memtap.pid).toFixed(0)} MiB`);
  await sleep(SECONDS * 1000);
  console.log(`resident set ${SECONDS} s later: ${resident(memtap.pid).toFixed(0)} MiB`);
  for (const client of clients) client.close();
}

async function firstPaint() {
  const all = [];
  for (let round = 0; round < 7; round++) all.push(await opened(browser, memtap.url));
  const summary = (value) => {
    const sorted = all.map(value).sort((a, b) => a - b);
    return `${sorted[3].toFixed(0)} ms (${sorted[0].toFixed(0)} to ${sorted[6].toFixed(0)})`;
  };
  console.log(`with an empty cache, median of 7: something is seen after ${summary(({ seen }) => seen)}, the processes' rows after ${summary(({ rows }) => rows)}`);
  console.log(`over HTTP until then: ${(all[0].bytes / 1024).toFixed(0)} KiB`);
}

async function scrolling() {
  const { page } = await open(browser, memtap.url, "#/processes");
  await page.getByTestId("process-row").first().waitFor();
  console.log(`frames a second while scrolling: ${await page.evaluate(scrolled, 10_000)}`);
  await page.close();
}

async function hiddenTab() {
  const { page } = await open(browser, memtap.url, "#/");
  const { worked } = await meter(page);
  const share = async (seconds) => {
    const before = await worked();
    await sleep(1000 * seconds);
    return `${((100 * ((await worked()) - before)) / seconds).toFixed(2)} %`;
  };
  await sleep(5_000);
  console.log(`the tab's main thread, seen: ${await share(SECONDS)} of a CPU`);
  await show(page, false);
  await sleep(12_000);
  console.log(`the tab's main thread, hidden for 12 s: ${await share(SECONDS)} of a CPU`);
  await page.close();
}

async function heldOverTime() {
  const { page, faults } = await open(browser, memtap.url, `#/${values.view}`);
  const { held } = await meter(page);
  const heaps = [];
  for (let minute = 0; minute <= MINUTES; minute++) {
    if (minute > 0) await sleep(60_000);
    const { heap, nodes, listeners, documents } = await held();
    heaps.push(heap / 1024);
    console.log(`${values.view}, minute ${minute}: ${(heap / 1024).toFixed(0)} KiB, ${nodes} nodes, ${listeners} listeners, ${documents} documents`);
  }
  // The bounded lists fill in the first minutes, so leave these out.
  const filled = heaps.slice(Math.floor(heaps.length / 3));
  console.log(`${values.view}: ${slope(filled).toFixed(1)} KiB a minute in the last ${filled.length - 1}; faults: ${faults.length}`);
  // A new tab also holds memtap's current data, so it is the baseline for the old tab.
  const { page: other } = await open(browser, memtap.url, `#/${values.view}`);
  await sleep(60_000);
  const { heap } = await (await meter(other)).held();
  console.log(`${values.view}: a tab opened a minute ago holds ${(heap / 1024).toFixed(0)} KiB`);
}

/** Slope of the regression line. */
function slope(values) {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const [over, under] = values.reduce(([a, b], value, i) => [a + (i - middle) * (value - mean), b + (i - middle) ** 2], [0, 0]);
  return over / under;
}

/** Seconds of CPU that a process has used. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function resident(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

async function cpuUsed(pid, seconds) {
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
