// The page and the past: a recorded day is in the history, and whoever has never read a manual finds what happened in it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { artefact, barriers, open, startBrowser } from "./browser.mjs";
import { startFixture, startMemtap, until } from "./memtap.mjs";

let memtap;
let browser;
before(async () => {
  memtap = await startMemtap({ withDay: true });
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await memtap?.stop();
});

async function yesterday(page) {
  await page.getByTestId("time-open").click();
  await page.getByTestId("time-yesterday").click();
  await page.locator('[data-testid="time"][data-kind="range"]').waitFor();
}

test("which program asked for most yesterday", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/");
  await yesterday(page);
  const first = page.locator(".share-list li").first();
  await first.getByText("cc1").waitFor({ timeout: 5000 });
  assert.match(await first.textContent(), /169 GiB/);
  await page.screenshot({ path: artefact("yesterday.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

test("which process had a request refused, and why", async (t) => {
  const fixture = await startFixture(t, "known");
  await fixture.go();
  const { page, faults } = await open(browser, memtap.url, "#/");
  // What was captured is in the history about a second later.
  const finding = page.getByTestId("finding").filter({ hasText: `pid ${fixture.pid}` }).and(page.locator('[data-rule="refused"]'));
  await until("the finding is there", async () => {
    await page.reload();
    await page.locator('[data-testid="findings"]:not([data-count=""])').waitFor({ timeout: 8000 });
    return (await finding.count()) > 0;
  });
  assert.match(await finding.textContent(), /ENOMEM: .* more than a process has addresses/);
  await finding.locator("summary").click();
  await page.screenshot({ path: artefact("finding.png") });
  await finding.getByRole("link", { name: "Look closer" }).click();
  const row = page.getByTestId("request-row").first();
  await row.waitFor({ timeout: 5000 });
  assert.deepEqual([await row.getAttribute("data-pid"), await row.getAttribute("data-errno")], [String(fixture.pid), "12"]);
  assert.deepEqual(faults, []);
  await page.close();
  await fixture.end();
});

test("when a process that is gone had its peak", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/processes");
  await yesterday(page);
  await page.getByTestId("process-search").fill("backup");
  await page.getByTestId("process-row").filter({ hasText: "nightly-backup" }).click({ timeout: 8000 });
  const panel = page.getByTestId("process-panel");
  const peak = panel.locator(".amount").filter({ hasText: "peak resident" });
  await peak.waitFor({ timeout: 8000 });
  // It was at 02:25; of yesterday the history keeps steps of ten minutes.
  assert.match(await peak.textContent(), /6\.14 GiB .* 02:2\d:00/);
  await page.waitForTimeout(500);
  await page.screenshot({ path: artefact("past-process.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

test("a drag over a chart chooses its time for every view, and one click leads back", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/");
  await yesterday(page);
  const chart = page.getByTestId("memory-chart");
  await chart.waitFor({ timeout: 5000 });
  await page.locator('[data-testid="findings"]:not([data-count=""])').waitFor({ timeout: 8000 });
  const day = await page.evaluate(() => location.hash);
  const { x, y, width, height } = await chart.boundingBox();
  await page.mouse.move(x + width * 0.15, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width * 0.25, y + height / 2, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction((before) => location.hash !== before, day, { timeout: 5000 });
  const chosen = new URLSearchParams((await page.evaluate(() => location.hash)).split("?")[1]);
  const hours = (Date.parse(chosen.get("to")) - Date.parse(chosen.get("from"))) / 3_600_000;
  assert.ok(hours > 1.5 && hours < 4, `${hours} hours were chosen`);
  await page.getByRole("link", { name: "Requests" }).first().click();
  await page.locator('[data-testid="request-history"][data-state]').waitFor();
  assert.match(await page.evaluate(() => location.hash), /from=/, "the time goes along");
  const back = page.getByTestId("time-live");
  await back.click();
  await page.locator('[data-testid="time"][data-kind="live"]').waitFor();
  assert.deepEqual(faults, []);
  await page.close();
});

test("requests of the past: filtered, read page by page, and sent as a link", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/requests");
  await yesterday(page);
  await page.locator('[data-testid="request-history"][data-state="more"]').waitFor({ timeout: 5000 });
  await page.getByTestId("request-filter-refused").check();
  const rows = page.getByTestId("request-row");
  await page.locator('[data-testid="request-history"][data-state="end"]').waitFor({ timeout: 5000 });
  assert.equal(await rows.count(), 3, "the three of the reporter");
  assert.equal(await rows.first().getAttribute("data-errno"), "12");
  const link = await page.evaluate(() => location.hash);
  await page.close();
  const other = await open(browser, memtap.url, link);
  await other.page.getByTestId("request-row").nth(2).waitFor({ timeout: 5000 });
  await other.page.screenshot({ path: artefact("requests-past.png") });
  assert.deepEqual([...faults, ...other.faults], []);
  await other.page.close();
});

test("every view is accessible, now and in the past, light and dark", async () => {
  const found = {};
  for (const colorScheme of ["light", "dark"]) {
    const { page, faults } = await open(browser, memtap.url, "#/", { colorScheme });
    for (const view of ["overview", "processes", "requests", "reports", "health"]) {
      for (const past of [false, true]) {
        const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
        const query = past ? `?from=${day}T02:00:00Z&to=${day}T03:00:00Z` : "";
        await page.goto(`${memtap.url}/#/${view}${query}`);
        await page.waitForTimeout(400);
        const told = await barriers(page);
        if (told.length > 0) found[`${view} ${past ? "past" : "live"} ${colorScheme}`] = told;
      }
    }
    assert.deepEqual(faults, []);
    await page.close();
  }
  assert.deepEqual(found, {}, "axe finds nothing serious");
});
