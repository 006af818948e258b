// The Health view of past times: when memtap was running, and when it was not.
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { after, before, test } from "node:test";
import { artefact, barriers, open, startBrowser } from "./browser.mjs";
import { startMemtap, until } from "./memtap.mjs";

const DAY_MS = 86_400_000;
const MIDNIGHT = Math.floor(Date.now() / DAY_MS) * DAY_MS;

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

const stretch = (from, to) => new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), host: hostname() });
const runs = async (from, to) => (await fetch(`${memtap.url}/api/v1/runs?${stretch(from, to)}`)).json();

test("the API returns the runs of a range, including the current one", async () => {
  const { runs: both } = await until("its first second is in the history", async () => {
    const answer = await runs(MIDNIGHT - DAY_MS, Date.now());
    return answer.runs.length === 2 && answer;
  });
  assert.ok(Date.parse(both[0].last_time) > Date.now() - 60_000, "the latest first");
  assert.equal(both[1].first_time, new Date(MIDNIGHT - DAY_MS).toISOString());
  assert.deepEqual(await runs(MIDNIGHT - 3 * DAY_MS, MIDNIGHT - 2 * DAY_MS), { runs: [], more: false });
});

test("Health shows the runs of a past range and the time between them", async () => {
  for (const [name, options] of [
    ["health-past.png", { colorScheme: "light" }],
    ["health-past-dark.png", { colorScheme: "dark" }],
    ["health-past-narrow-es.png", { colorScheme: "light", locale: "es-ES", viewport: { width: 400, height: 900 } }],
  ]) {
    const { page, faults } = await open(browser, memtap.url, `#/health?${stretch(MIDNIGHT - DAY_MS, Date.now())}`, options);
    await page.getByTestId("run").nth(1).waitFor({ timeout: 8_000 });
    assert.equal(await page.getByTestId("run").count(), 2);
    assert.match(await page.getByTestId("absence").first().textContent(), name.endsWith("-es.png") ? /memtap no estaba en marcha/ : /memtap not running/);
    await page.screenshot({ path: artefact(name), fullPage: true });
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wider <= 1, `${name}: the page itself does not scroll sideways`);
    assert.deepEqual(await barriers(page), []);
    assert.deepEqual(faults, []);
    await page.close();
  }
});

test("Health reports that memtap was not running", async () => {
  const { page, faults } = await open(browser, memtap.url, `#/health?${stretch(MIDNIGHT - 3 * DAY_MS, MIDNIGHT - 2 * DAY_MS)}`);
  await page.getByText("memtap was not running in this time range.").waitFor({ timeout: 8_000 });
  assert.deepEqual(faults, []);
  await page.close();
});
