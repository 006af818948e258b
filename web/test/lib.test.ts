import { describe, expect, it } from "vitest";
import { bytes, count, duration, exactBytes, parseSize, percent, rate, signedBytes } from "../src/lib/format";
import { filterFromQuery, filterToQuery, isFiltered, NO_FILTER, passes as itemPasses, passing, requestTest, type RequestFilter } from "../src/lib/requests";
import { parseRoute, routeHash } from "../src/lib/route";
import { cutMiddle, visible, visibleName } from "../src/lib/visible";
import { chartText } from "../src/charts/look";
import type { StreamItem } from "../src/model/stream";
import type { MemoryRequest } from "../src/model/wire";
import { requestOf } from "./samples";
import unseen from "./unseen.txt?raw";

describe("strangers' text", () => {
  it.each([
    ["perl", "perl"],
    ["a,\"b\"\n\x1b[31m", "a,\"b\"\\n\\x1b[31m"],
    ["\t\r\0\x7f\x9b", "\\t\\r\\x00\\x7f\\x9b"],
    ["\u202egnp.exe", "\\u{202e}gnp.exe"],
    ["a\u200bb\u2066c\ufeff", "a\\u{200b}b\\u{2066}c\\u{feff}"],
    ["x\u2028y\u00a0z", "x\\u{2028}y\\xa0z"],
    ["\ud800", "\\u{d800}"],
    ["\u{e0041}", "\\u{e0041}"],
    ["العربية 日本 é 🦀", "العربية 日本 é 🦀"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ])("%j is shown as %j", (text, shown) => expect(visible(text)).toBe(shown));

  it("escapes exactly the listed characters", () => {
    const lines = unseen.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const ranges = lines.map((line) => {
      const [first = "", last] = (line.split(" ")[0] ?? "").split("..");
      return [parseInt(first, 16), parseInt(last ?? first, 16)] as const;
    });
    const wrong: string[] = [];
    for (let code = 0; code <= 0x10ffff; code += 1) {
      const isSurrogate = code >= 0xd800 && code <= 0xdfff;
      const isListed = isSurrogate || ranges.some(([first, last]) => first <= code && code <= last);
      const text = String.fromCodePoint(code);
      if ((visible(text) !== text) !== isListed) wrong.push(code.toString(16));
    }
    expect(wrong).toEqual([]);
  });

  it("quotes a name that could not be seen", () => {
    expect(visibleName("")).toBe('""');
    expect(visibleName("  ")).toBe('"  "');
    expect(visibleName("sh")).toBe("sh");
  });

  it("is cut in the middle, by whole characters", () => {
    expect(cutMiddle("abcdefghij", 5)).toBe("ab…ij");
    expect(cutMiddle("abcde", 5)).toBe("abcde");
    expect(cutMiddle("🦀🦀🦀🦀", 3)).toBe("🦀…🦀");
  });

  it("cannot be taken for markup in a chart", () => expect(chartText("{a|b}")).toBe("❴a|b❵"));
});

describe("numbers", () => {
  it.each([
    [0, "0 B"],
    [1023, "1,023 B"],
    [1024, "1.00 KiB"],
    [432_013_312, "412 MiB"],
    [1_048_575, "1.00 MiB"],
    [25_125_558_682, "23.4 GiB"],
    [-4096, "−4.00 KiB"],
  ])("%d bytes are %s", (value, text) => expect(bytes(value, "en")).toBe(text));

  it("follow the language", () => {
    expect(bytes(1_610_612_736, "es")).toBe("1,50 GiB");
    expect(count(12_345, "en")).toBe("12,345");
    expect(count(1_204, "es")).toBe("1.204");
    expect(exactBytes(4096, "en")).toBe("4,096 B");
  });

  it("carry a sign where they are changes", () => {
    expect(signedBytes(4096, "en")).toBe("+4.00 KiB");
    expect(signedBytes(0, "en")).toBe("0 B");
  });

  it("are short where they are rates, shares and times", () => {
    expect([rate(0, "en"), rate(0.5, "en"), rate(1204.3, "en")]).toEqual(["0", "0.5", "1,204"]);
    expect([percent(0.014, "en"), percent(44.51, "en")]).toEqual(["0.01", "44.5"]);
    expect([duration(9.7), duration(125), duration(3_720), duration(180_000)]).toEqual(["9 s", "2 min", "1 h 2 min", "2 d 2 h"]);
  });

  it.each([
    ["4096", 4096],
    ["64k", 65_536],
    ["1 MiB", 1_048_576],
    ["1,5gb", 1_610_612_736],
    ["", null],
    ["big", null],
    ["-1", null],
  ])("%j as a size is %j", (text, size) => expect(parseSize(text)).toBe(size));
});

function passes(filter: Partial<RequestFilter>, request: Partial<MemoryRequest>): boolean {
  const item: StreamItem = { kind: "request", seq: 1, request: requestOf(request) };
  return itemPasses(item, requestTest({ ...NO_FILTER, ...filter }));
}

const ALL = requestTest(NO_FILTER);
const NOTHING = { ...ALL, request: () => false };

function lost(seq: number, pid: number, many: number): StreamItem {
  const { process_name, timestamp } = requestOf({});
  return { kind: "lost", seq, time: timestamp, count: many, owner: { pid, process_name, timestamp } };
}

function skipped(seq: number): StreamItem {
  return { kind: "skipped", seq, time: "t", count: 5, seconds: 1 };
}

describe("the filters of the stream", () => {
  it("look at name or pid, call, size and outcome", () => {
    expect(passes({ name: "PER" }, {})).toBe(true);
    expect(passes({ name: "12" }, { pid: 12 })).toBe(true);
    expect(passes({ name: "12" }, { pid: 123 })).toBe(false);
    expect(passes({ call: "brk" }, {})).toBe(false);
    expect(passes({ size: "8k" }, {})).toBe(false);
    expect(passes({ size: "not a size" }, {})).toBe(true);
    expect(passes({ refused: true }, {})).toBe(false);
    expect(passes({ refused: true }, { errno: 12 })).toBe(true);
  });

  it("keep the lines about missing requests, joined where they meet", () => {
    const request: StreamItem = { kind: "request", seq: 2, request: requestOf({}) };
    const items = [skipped(1), request, skipped(3), skipped(4)];
    expect(passing(items, ALL).map((item) => item.seq)).toEqual([1, 2, 3]);
    expect(passing(items, NOTHING)).toMatchObject([{ seq: 1, count: 15, seconds: 3 }]);
  });

  it("keep the lines about lost requests of those processes that pass", () => {
    const request: StreamItem = { kind: "request", seq: 2, request: requestOf({ pid: 1, call: "brk" }) };
    const items = [lost(1, 1, 10), request, lost(3, 1, 5), lost(4, 2, 7)];
    expect(passing(items, ALL).map((item) => item.seq)).toEqual([1, 2, 3, 4]);
    const mmaps = passing(items, requestTest({ ...NO_FILTER, name: "1", call: "mmap" }));
    expect(mmaps).toMatchObject([{ kind: "lost", seq: 1, count: 15 }]);
  });

  it("survive a round trip through the address", () => {
    const filter = { name: "a&b #", call: "mmap", size: "1 MiB", refused: true };
    const route = parseRoute(routeHash({ view: "requests", query: filterToQuery(filter) }));
    expect(filterFromQuery(route.query)).toEqual(filter);
    expect(isFiltered(filter)).toBe(true);
    expect(routeHash({ view: "requests", query: filterToQuery(NO_FILTER) })).toBe("#/requests");
  });
});

describe("the address", () => {
  it("names a view, or a process by pid and start", () => {
    expect(parseRoute("").view).toBe("overview");
    expect(parseRoute("#/nonsense").view).toBe("overview");
    const hash = routeHash({ view: "processes", process: "42@2026-11-23T10:00:00.000Z", query: { q: "perl" } });
    expect(hash).toBe("#/process/42@2026-11-23T10:00:00.000Z?q=perl");
    expect(parseRoute(hash)).toMatchObject({ view: "processes", process: "42@2026-11-23T10:00:00.000Z" });
    expect(parseRoute("#/process/%E0%A4%A").process).toBe("%E0%A4%A");
  });
});
