// Starts memtap and fixtures for the tests, and ends them by pid.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** Asks repeatedly until the answer is truthy. Throws after `patience` milliseconds. */
export async function until(what, ask, patience = 15_000) {
  const end = Date.now() + patience;
  while (Date.now() < end) {
    const answer = await ask().catch(() => undefined);
    if (answer) return answer;
    await sleep(50);
  }
  throw new Error(`timed out: ${what}`);
}

/**
 * Starts memtap and waits until it answers. With `withDay`, its history contains yesterday
 * (examples/day.rs describes the events).
 */
export async function startMemtap({ port, withDay = false, source = "bpf" } = {}) {
  port ??= await freePort();
  const folder = mkdtempSync(join(tmpdir(), "memtap-e2e-"));
  const store = `sqlite:${join(folder, "memtap.db")}`;
  if (withDay) execFileSync(process.env.DAY, [store]);
  const args = ["serve", `--source=${source}`, `--listen=127.0.0.1:${port}`, `--store=${store}`];
  const child = spawn(process.env.MEMTAP, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  const url = `http://127.0.0.1:${port}`;
  await until("memtap serves", async () => {
    const answer = await fetch(`${url}/api/v1/processes/${child.pid}`);
    return answer.ok;
  });
  return {
    url,
    port,
    pid: child.pid,
    async stop() {
      if (child.exitCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a fixture, which waits for `go`. The end of test `t` ends it, even if the test fails. */
export async function startFixture(t, ...args) {
  const child = spawn(process.env.FIXTURE, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  t.after(() => child.kill("SIGKILL"));
  await lines.next();
  return {
    pid: child.pid,
    async go() {
      child.stdin.write("go\n");
      await lines.next();
    },
    async end() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

export const hex = (text) => Buffer.from(text, "latin1").toString("hex");
