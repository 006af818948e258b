// Resource usage of an open tab of the page, as reported by the browser.

/**
 * Records when the first process rows appear, relative to the start of loading. Must run in the
 * page before it loads.
 */
export function noteFirstRows() {
  const look = new MutationObserver(() => {
    if (document.querySelector('[data-testid="process-row"]') === null) return;
    look.disconnect();
    requestAnimationFrame(() => (globalThis.rowsAt = performance.now()));
  });
  look.observe(document, { childList: true, subtree: true });
}

/**
 * Opens the page with an empty cache. Returns the milliseconds until the first paint and until the
 * first rows, and the bytes transferred until then.
 */
export async function opened(browser, url) {
  // A new context has an empty cache.
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  try {
    const page = await context.newPage();
    await page.addInitScript(noteFirstRows);
    await page.goto(`${url}/#/processes`);
    await page.waitForFunction(() => globalThis.rowsAt !== undefined);
    return await page.evaluate(() => ({
      seen: performance.getEntriesByName("first-contentful-paint")[0].startTime,
      rows: globalThis.rowsAt,
      bytes: performance
        .getEntries()
        .filter((entry) => entry.startTime < globalThis.rowsAt)
        .reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0),
    }));
  } finally {
    await context.close();
  }
}

/** Measures the memory and the work of a page. */
export async function meter(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const metrics = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  return {
    /** Seconds of work so far. */
    worked: async () => (await metrics()).TaskDuration,
    /** Memory after a garbage collection. */
    async held() {
      await devtools.send("HeapProfiler.collectGarbage");
      const { usedSize } = await devtools.send("Runtime.getHeapUsage");
      const { Nodes, JSEventListeners, Documents } = await metrics();
      return { heap: usedSize, nodes: Nodes, listeners: JSEventListeners, documents: Documents };
    },
  };
}

/**
 * Makes the page believe that it is hidden or visible. A headless browser has no other tab to put
 * in front of it.
 */
export async function show(page, visible) {
  await page.evaluate((visible) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => !visible });
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (visible ? "visible" : "hidden") });
    document.dispatchEvent(new Event("visibilitychange"));
  }, visible);
}
