// Takes the screenshots of README: memtap captures this machine while real programs run. `cargo
// xtask pictures` runs it as root.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { artefact, open, startBrowser } from "./browser.mjs";
import { startMemtap } from "./memtap.mjs";

const SECONDS = Number(process.env.SECONDS ?? 100);

/** Programs that developers' machines have. Each ends by itself or is killed at the end. */
const WORK = {
  python3: [
    "-c",
    `import time
kept = []
end = time.time() + ${SECONDS} + 30
while time.time() < end:
    kept.append(bytearray(6 << 20))
    kept = kept[-24:]
    time.sleep(0.4)`,
  ],
  node: ["-e", `let kept = []; setInterval(() => { kept = kept.concat(Array(2e5).fill(0)).slice(-4e6); }, 250); setTimeout(() => process.exit(), ${SECONDS + 30}e3);`],
  sh: ["-c", `end=$(($(date +%s) + ${SECONDS})); while [ $(date +%s) -lt $end ]; do echo 'int main(void) { return 0; }' | cc -O2 -x c -o /dev/null -; sort -R /etc/services | sort >/dev/null; sleep 0.3; done`],
  bash: ["-c", "ulimit -v 200000; while sleep 5; do sort -S 1G /etc/services >/dev/null 2>&1; done"],
};

const memtap = await startMemtap();
const work = Object.entries(WORK).map(([program, words]) => spawn(program, words, { stdio: "ignore", detached: true }));
const browser = await startBrowser();
try {
  await sleep(SECONDS * 1000);
  const options = { viewport: { width: 1280, height: 800 }, colorScheme: "light" };
  const { page } = await open(browser, memtap.url, "#/overview?last=300", options);
  await sleep(4000);
  await page.screenshot({ path: artefact("overview.png") });
  const python = work[0].pid;
  const { start_time: started } = await (await fetch(`${memtap.url}/api/v1/processes/${python}`)).json();
  await page.goto(`${memtap.url}/#/process/${python}@${started}?last=300`);
  await sleep(4000);
  await page.screenshot({ path: artefact("process.png") });
} finally {
  for (const child of work) {
    if (child.exitCode === null) {
      process.kill(-child.pid, "SIGKILL");
      await once(child, "exit");
    }
  }
  await browser.close();
  await memtap.stop();
}
