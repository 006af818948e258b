import { expect, test } from "vitest";
import { updateClock, sourceNow } from "../src/live/clock";

test("a recording uses its own time, other sources the browser's", () => {
  updateClock("recording", "2026-01-02T03:04:05.678Z");
  expect(sourceNow()).toBe(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  updateClock("bpf", "2026-01-02T03:04:05.678Z");
  expect(Math.abs(sourceNow() - Date.now())).toBeLessThan(60_000);
});
