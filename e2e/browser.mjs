// One Chromium for each test file, and pages in it that must not cause faults.
import AxeSource from "axe-core";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function startBrowser() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/**
 * Opens a page of memtap. `faults` collects its errors, its dialogs, and its requests to other
 * machines.
 */
export async function open(browser, url, hash, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, locale: "en-US", timezoneId: "UTC", ...options });
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("dialog", (dialog) => faults.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) faults.push(request.url());
  });
  await page.goto(`${url}/${hash}`);
  await page.getByTestId("connection").and(page.locator('[data-state="live"]')).waitFor({ timeout: 10_000 });
  return { page, faults };
}

export const artefact = (name) => join(process.env.ARTEFACTS ?? ".", name);

/** The serious accessibility problems that axe reports for the current page. */
export async function barriers(page) {
  await page.evaluate(AxeSource.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
}
