// The page in a real browser, served by the real memtap.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { artefact, open as openPage, startBrowser } from "./browser.mjs";
import { hex, startFixture, startMemtap, until } from "./memtap.mjs";

let memtap;
let browser;
before(async () => {
  memtap = await startMemtap();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await memtap.stop();
});

const open = (hash, options) => openPage(browser, memtap.url, hash, options);

/**
 * Waits until the page shows a request of a fixture. The stream shows only the latest 1,000
 * requests of each second, so a busy machine may need another try.
 */
async function requestIsShown(t, page) {
  for (let tries = 0; tries < 5; tries++) {
    const fixture = await startFixture(t, "named", hex("seen-by-page"), "2345678");
    await fixture.go();
    const row = `[data-testid="request-row"][data-pid="${fixture.pid}"][data-call="mmap"][data-size="2347008"]`;
    const shown = await page.locator(row).waitFor({ timeout: 3000 }).then(() => true, () => false);
    if (shown) return;
  }
  throw new Error("the page shows none of five requests");
}

test("a new process appears within three seconds, with its requests and their sizes", async (t) => {
  const { page, faults } = await open("#/processes");
  const fixture = await startFixture(t, "named", hex("seen-by-page"), "2345678");
  const begin = Date.now();
  await page.getByTestId("process-search").fill(String(fixture.pid));
  await page.locator(`[data-testid="process-row"][data-pid="${fixture.pid}"]`).waitFor({ timeout: 3000 });
  assert.ok(Date.now() - begin < 3000);
  await page.screenshot({ path: artefact("processes.png") });

  await page.goto(`${memtap.url}/#/requests`);
  await page.getByTestId("request-filter-name").fill("seen-by-page");
  await requestIsShown(t, page);
  await page.screenshot({ path: artefact("requests.png") });
  assert.deepEqual(faults, [], "no error, no dialog, nothing asked of other machines");
  await page.close();
  await fixture.end();
});

test("a hostile name is text", async (t) => {
  const { page, faults } = await open("#/processes");
  const names = ["<img src=x onerror=alert(1)>", 'a,"b"\n\x1b[31m'];
  const fixtures = [];
  for (const name of names) {
    const fixture = await startFixture(t, "named", hex(name), "1111111");
    await fixture.go();
    fixtures.push(fixture);
    await page.getByTestId("process-search").fill(String(fixture.pid));
    const row = page.locator(`[data-testid="process-row"][data-pid="${fixture.pid}"]`);
    await row.waitFor({ timeout: 5000 });
    const shown = name.startsWith("<") ? "<img src=x oner" : 'a,"b"\\n\\x1b[31m';
    // A tick may come between the fixture's exec and its new name.
    await page.waitForFunction(([pid, shown]) => document.querySelector(`[data-pid="${pid}"]`)?.textContent.includes(shown), [fixture.pid, shown], { timeout: 5000 }).catch(() => {});
    const text = await row.textContent();
    assert.ok(text.includes(shown), text);
  }
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.deepEqual(faults, []);
  await page.close();
  for (const fixture of fixtures) await fixture.end();
});

test("the panel of a process shows its account, its refused requests and its PSS", async (t) => {
  const fixture = await startFixture(t, "known");
  await fixture.go();
  const { page, faults } = await open("#/processes");
  await page.getByTestId("process-search").fill(String(fixture.pid));
  await page.locator(`[data-testid="process-row"][data-pid="${fixture.pid}"]`).click({ timeout: 5000 });
  await page.getByText("every byte has a cause").waitFor({ timeout: 5000 });
  await page.getByText("ENOMEM", { exact: true }).first().waitFor({ timeout: 5000 });
  await page.getByRole("button", { name: /PSS/ }).click();
  await page.getByText("USS", { exact: true }).waitFor({ timeout: 5000 });
  await page.screenshot({ path: artefact("process.png") });
  await page.goto(`${memtap.url}/#/health`);
  await page.getByText("OOM kills", { exact: true }).first().waitFor({ timeout: 5000 });
  await page.screenshot({ path: artefact("health.png") });
  assert.deepEqual(faults, []);
  await page.close();
  await fixture.end();
});

/**
 * A program that makes more requests than a tick contains, and one that maps a different size each
 * second.
 */
const FLOOD = `
import mmap, time
while True:
    begin = time.monotonic()
    for _ in range(100):
        mmap.mmap(-1, 65536).close()
    time.sleep(max(0, 0.02 - (time.monotonic() - begin)))
`;
const QUIET = `
import mmap, time
kept = []
for n in range(64, 1000):
    kept.append(mmap.mmap(-1, n * 1048576))
    time.sleep(1)
`;

function python(t, program) {
  const child = spawn("python3", ["-c", program], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  return child.pid;
}

test("the panel of a quiet process shows all of its requests, however busy its neighbour is", async (t) => {
  python(t, FLOOD);
  const pid = python(t, QUIET);
  const { page, faults } = await open("#/processes");
  await page.getByTestId("process-search").fill(String(pid));
  await page.locator(`[data-testid="process-row"][data-pid="${pid}"]`).click({ timeout: 8000 });
  const panel = page.getByTestId("process-panel");
  const mib = async () => {
    const sizes = await panel.getByTestId("request-row").evaluateAll((rows) => rows.map((row) => Number(row.dataset.size) / 1048576));
    return sizes.filter((size) => size >= 64 && Number.isInteger(size));
  };
  await until("eight of its requests are shown", async () => (await mib()).length >= 8, 30_000);
  const sizes = await mib();
  const last = sizes.at(-1);
  assert.deepEqual(sizes, Array.from({ length: last - sizes[0] + 1 }, (_, i) => sizes[0] + i), "each of them, in order");
  await panel.getByTestId("timeline-requests").waitFor({ timeout: 8000 });
  await page.screenshot({ path: artefact("process-quiet.png") });
  assert.deepEqual(faults, []);
  await page.close();
});

test("the page fits wide and narrow windows, light and dark, in English and Spanish", async () => {
  for (const [name, options] of [
    ["overview-light.png", { colorScheme: "light" }],
    ["overview-dark.png", { colorScheme: "dark" }],
    ["overview-narrow-es.png", { colorScheme: "light", locale: "es-ES", viewport: { width: 400, height: 800 } }],
  ]) {
    const { page, faults } = await open("#/", options);
    await page.getByTestId("share-chart").waitFor();
    await page.waitForTimeout(1500);
    await page.screenshot({ path: artefact(name) });
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wider <= 1, `${name}: the page itself does not scroll sideways`);
    assert.equal(await page.locator("html").getAttribute("lang"), name.includes("-es") ? "es" : "en");
    assert.deepEqual(faults, []);
    await page.close();
  }
});

test("the theme follows the system until one is chosen, and choices are remembered", async () => {
  const { page, faults } = await open("#/", { colorScheme: "light" });
  const html = page.locator("html");
  const is = (name, value) => page.waitForFunction(([name, value]) => document.documentElement.getAttribute(name) === value, [name, value], { timeout: 5000 });
  await is("data-theme", "light");
  await page.emulateMedia({ colorScheme: "dark" });
  await is("data-theme", "dark");
  await page.getByTestId("theme-toggle").click();
  await is("data-theme", "light");
  await page.getByTestId("lang-toggle").click();
  await is("lang", "es");
  await page.getByRole("link", { name: "Procesos", exact: true }).click();
  await page.getByTestId("process-table").waitFor();
  await page.reload();
  await is("lang", "es");
  assert.equal(await html.getAttribute("data-theme"), "light");
  assert.equal(await page.getByTestId("theme-toggle").textContent(), "Claro");
  assert.deepEqual(faults, []);
  await page.close();
});

test("a dismissed hint moves nothing, and does not come back", async () => {
  const { page, faults } = await open("#/processes");
  const hint = page.getByTestId("hint");
  const top = async () => (await page.getByTestId("process-search").boundingBox()).y;
  await hint.waitFor({ timeout: 5000 });
  const before = await top();
  await hint.getByRole("button").click();
  await hint.waitFor({ state: "hidden" });
  assert.equal(await top(), before, "its place stays while the view is looked at");
  await page.goto(`${memtap.url}/#/requests`);
  await page.getByText("Each line is one memory call").waitFor({ timeout: 5000 });
  await page.goto(`${memtap.url}/#/processes`);
  await page.getByTestId("process-search").waitFor();
  assert.equal(await hint.count(), 0);
  assert.ok((await top()) < before);
  assert.deepEqual(faults, []);
  await page.close();
});

test("the page reports when memtap stops, and reconnects when it starts again", async () => {
  const own = await startMemtap();
  const page = await browser.newPage();
  await page.goto(`${own.url}/`);
  const live = page.getByTestId("connection").and(page.locator('[data-state="live"]'));
  await live.waitFor();
  await own.stop();
  await page.getByTestId("connection").and(page.locator('[data-state="stale"]')).waitFor({ timeout: 8000 });
  const again = await startMemtap({ port: own.port });
  await live.waitFor({ timeout: 15_000 });
  await page.close();
  await again.stop();
});
