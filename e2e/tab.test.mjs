// The work of an open tab while it is hidden, and when it becomes visible again.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { open, startBrowser } from "./browser.mjs";
import { hex, startFixture, startMemtap, until } from "./memtap.mjs";
import { show } from "./tab.mjs";

let memtap;
let browser;
before(async () => {
  memtap = await startMemtap();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await memtap?.stop();
});

/** Counts the events, HTTP requests, sockets and DOM changes of a page. */
async function counted(page) {
  const counts = { events: 0, questions: 0, sockets: 0 };
  const follow = (socket) => {
    counts.sockets += 1;
    socket.on("framereceived", () => (counts.events += 1));
    socket.on("close", () => (counts.sockets -= 1));
  };
  page.on("websocket", follow);
  page.on("request", () => (counts.questions += 1));
  await page.addInitScript(() => {
    globalThis.drawings = 0;
    new MutationObserver((changes) => (globalThis.drawings += changes.length)).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  });
  await page.reload();
  await page.locator('[data-testid="connection"][data-state="live"]').waitFor();
  return async () => ({ ...counts, drawings: await page.evaluate(() => globalThis.drawings) });
}

// The tests run concurrently because they mostly wait.
describe("a hidden tab receives, requests and draws nothing, and is up to date when it becomes visible", { concurrency: true }, () => {
  for (const view of ["overview", "processes", "requests"]) {
    test(view, async (t) => {
      const { page, faults } = await open(browser, memtap.url, `#/${view}`);
      const count = await counted(page);
      const seen = await count();
      await until("a seen tab draws", async () => (await count()).drawings > seen.drawings + 5);
      await show(page, false);
      await until("it lets go of memtap", async () => (await count()).sockets === 0, 20_000);
      await sleep(500);
      const hidden = await count();
      await sleep(6_000);
      assert.deepEqual(await count(), hidden);
      const fixture = await startFixture(t, "named", hex("came-unseen"), "1234567");
      await fixture.go();
      await show(page, true);
      await page.locator('[data-testid="connection"][data-state="live"]').waitFor({ timeout: 5_000 });
      await page.goto(`${memtap.url}/#/processes?q=${fixture.pid}`);
      await page.locator(`[data-testid="process-row"][data-pid="${fixture.pid}"]`).waitFor({ timeout: 5_000 });
      assert.deepEqual(faults, []);
      await page.close();
      await fixture.end();
    });
  }
});
