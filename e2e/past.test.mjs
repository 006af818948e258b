// The page with a recorded day in its history: users find what happened without reading a manual.
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

test("the program that requested the most memory yesterday is shown first", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/");
  await yesterday(page);
  const first = page.locator(".share-list li").first();
  await first.getByText("cc1").waitFor({ timeout: 5000 });
  assert.match(await first.textContent(), /169 GiB/);
  await page.screenshot({ path: artefact("yesterday.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

test("a finding names the process with a refused request, and the reason", async (t) => {
  const fixture = await startFixture(t, "known");
  await fixture.go();
  const { page, faults } = await open(browser, memtap.url, "#/");
  // Captured requests reach the history about a second later.
  const finding = page.getByTestId("finding").filter({ hasText: `pid ${fixture.pid}` }).and(page.locator('[data-rule="refused"]'));
  await until("the finding is there", async () => {
    await page.reload();
    await page.locator('[data-testid="findings"]:not([data-count=""])').waitFor({ timeout: 8000 });
    return (await finding.count()) > 0;
  });
  assert.match(await finding.textContent(), /ENOMEM: .* more than the address space of a process/);
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

test("the panel of an ended process shows the time of its peak", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/processes");
  await yesterday(page);
  await page.getByTestId("process-search").fill("backup");
  await page.getByTestId("process-row").filter({ hasText: "nightly-backup" }).click({ timeout: 8000 });
  const panel = page.getByTestId("process-panel");
  const peak = panel.locator(".amount").filter({ hasText: "peak resident" });
  await peak.waitFor({ timeout: 8000 });
  // The peak was at 02:25. The history of yesterday has steps of ten minutes.
  assert.match(await peak.textContent(), /6\.14 GiB .* 02:2\d:00/);
  await page.waitForTimeout(500);
  await page.screenshot({ path: artefact("past-process.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

/** Selects a host. The list appears only after it was read from the history. */
async function chooseHost(page, value) {
  const choice = page.getByTestId("host");
  await choice.waitFor({ timeout: 8000 });
  await choice.selectOption(value);
}

test("the page shows either of two hosts in one history, or both", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/processes");
  await yesterday(page);
  const row = (name) => page.getByTestId("process-row").filter({ hasText: name });
  const programs = { own: row("postgres"), other: row("mailer") };
  await programs.own.waitFor({ timeout: 8000 });
  await page.getByTestId("process-search").fill("mailer");
  await programs.own.waitFor({ state: "detached", timeout: 5000 });
  assert.equal(await programs.other.count(), 0, "this machine alone");
  await page.getByTestId("process-search").fill("");
  await chooseHost(page, "attic");
  await programs.other.waitFor({ timeout: 8000 });
  assert.equal(await programs.own.count(), 0, "the other alone");
  const textAt = async (hash) => {
    const answer = await page.evaluate(async (hash) => {
      location.hash = hash;
      await new Promise((done) => setTimeout(done, 1500));
      return document.querySelector("main")?.textContent ?? document.body.textContent;
    }, hash);
    return answer;
  };
  const link = await page.evaluate(() => location.hash);
  const requests = await textAt(link.replace("processes", "requests"));
  assert.ok(requests.includes("mailer") && !requests.includes("postgres"), "its requests alone");
  await textAt(link);
  await chooseHost(page, "*");
  // The document contains only the visible rows, so search for each program.
  for (const [name, program] of [["postgres", programs.own], ["mailer", programs.other]]) {
    await page.getByTestId("process-search").fill(name);
    await program.waitFor({ timeout: 8000 });
  }
  // These processes have the same pid and start time on both hosts, and must not be confused.
  await page.getByTestId("process-search").fill("systemd");
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="process-row"]').length === 2, undefined, { timeout: 5000 });
  const sizes = new Set();
  for (const index of [0, 1]) {
    await page.getByTestId("process-row").nth(index).click();
    const resident = page.getByTestId("process-panel").locator(".amount").filter({ hasText: /B\s*resident$/ }).first();
    await resident.waitFor({ timeout: 8000 });
    sizes.add((await resident.textContent()).trim());
  }
  assert.equal(sizes.size, 2, [...sizes].join(", "));
  await page.screenshot({ path: artefact("two-hosts.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

test("a past process has its requests by call, its new name, and the time when memtap was not running", async () => {
  const { page, faults } = await open(browser, memtap.url, "#/processes");
  await yesterday(page);
  await chooseHost(page, "attic");
  await page.getByTestId("process-row").filter({ hasText: "mailer" }).click({ timeout: 8000 });
  const panel = page.getByTestId("process-panel");
  await panel.getByTestId("timeline-requests").waitFor({ timeout: 8000 });
  const names = panel.getByTestId("names");
  await names.waitFor({ timeout: 8000 });
  assert.match(await names.textContent(), /03:00:30.* mailer$/);
  assert.match(await panel.getByTestId("timeline").textContent(), /mmap/);
  assert.equal(await panel.getByTestId("calls-missing").count(), 0);
  const { watched } = await page.evaluate(async () => {
    const query = new URLSearchParams(location.hash.split("?")[1]);
    const range = new URLSearchParams({ pid: "302", host: "attic", from: query.get("from"), to: query.get("to") });
    return (await fetch(`/api/v1/usage?${range}`)).json();
  });
  assert.deepEqual(watched.map(({ from, to }) => [from.slice(11, 16), to.slice(11, 16)]), [["00:00", "06:00"], ["12:00", "00:00"]]);
  await page.waitForTimeout(500);
  await page.screenshot({ path: artefact("past-calls.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

test("dragging over a chart selects the time for every view, and one click returns to live", async () => {
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

test("past requests can be filtered, paged and shared as a link", async () => {
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
  const violations = {};
  for (const colorScheme of ["light", "dark"]) {
    const { page, faults } = await open(browser, memtap.url, "#/", { colorScheme });
    for (const view of ["overview", "processes", "requests", "reports", "health"]) {
      for (const past of [false, true]) {
        const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
        const query = past ? `?from=${day}T02:00:00Z&to=${day}T03:00:00Z` : "";
        await page.goto(`${memtap.url}/#/${view}${query}`);
        await page.waitForTimeout(400);
        const problems = await barriers(page);
        if (problems.length > 0) violations[`${view} ${past ? "past" : "live"} ${colorScheme}`] = problems;
      }
    }
    assert.deepEqual(faults, []);
    await page.close();
  }
  assert.deepEqual(violations, {}, "axe finds nothing serious");
});
