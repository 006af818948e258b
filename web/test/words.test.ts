import { beforeAll, describe, expect, it } from "vitest";
import { i18n, LANGS, meaningOf, speak } from "../src/i18n";
import { en } from "../src/i18n/en";
import { es } from "../src/i18n/es";

type Texts = Map<string, string>;
interface Tree {
  readonly [key: string]: string | Tree;
}

function texts(tree: Tree, prefix = "", all: Texts = new Map()): Texts {
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") all.set(prefix + key, value);
    else texts(value, `${prefix}${key}.`, all);
  }
  return all;
}

const ALL = { en: texts(en), es: texts(es) };
const FORM = /_(zero|one|two|few|many|other)$/;

function base(key: string): string {
  return key.replace(FORM, "");
}

function variables(text: string): string[] {
  return [...text.matchAll(/\{\{(.*?)\}\}/g)].map((match) => match[1] ?? "").toSorted();
}

/** Variables of each key. For a key with plural forms, those of its general form. */
function wanted(all: Texts): Record<string, string[]> {
  const general = [...all].filter(([key]) => !FORM.test(key) || key.endsWith("_other"));
  return Object.fromEntries(general.map(([key, text]) => [base(key), variables(text)]));
}

const SOURCES = import.meta.glob<string>(["../src/**/*.ts", "../src/**/*.tsx", "!../src/i18n/e?/**"], { query: "?raw", import: "default", eager: true });

describe("the words", () => {
  beforeAll(() => speak("es"));

  it("use the same variables in both languages", () => {
    expect(wanted(ALL.es)).toEqual(wanted(ALL.en));
    expect(Object.keys(wanted(ALL.en)).length).toBeGreaterThan(300);
  });

  it.each(LANGS)("have each plural form of %s, with no variable that the general form lacks", (lang) => {
    const forms = new Intl.PluralRules(lang).resolvedOptions().pluralCategories;
    const counted = [...ALL[lang].keys()].filter((key) => FORM.test(key));
    const bases = new Set(counted.map(base));
    expect(bases.size).toBeGreaterThan(5);
    const complete = [...bases].flatMap((key) => forms.map((form) => `${key}_${form}`));
    expect(counted.toSorted()).toEqual(complete.toSorted());
    const strange = counted.filter((key) => {
      const general = variables(ALL[lang].get(`${base(key)}_other`) ?? "");
      return variables(ALL[lang].get(key) ?? "").some((one) => !general.includes(one));
    });
    expect(strange).toEqual([]);
  });

  it("are all used", () => {
    const source = Object.values(SOURCES).join("\n");
    const literal = new Set([...source.matchAll(/"([a-z]\w*(?:\.\w+)+)"/g)].map((match) => match[1]));
    // `meanings.terms.${term}` uses all keys of that group.
    const groups = new Set([...source.matchAll(/`([a-z]\w*(?:\.\w+)*)\.\$\{/g)].map((match) => match[1]));
    for (const [, kind] of source.matchAll(/meaningOf\(t, "(\w+)"/g)) groups.add(`meanings.${kind}`);
    const unused = [...ALL.en.keys()].map(base).filter((key) => !literal.has(key) && !groups.has(key.slice(0, key.lastIndexOf("."))));
    expect(unused).toEqual([]);
  });

  it("know one, many and a million", () => {
    const english = i18n.getFixedT("en");
    expect(english("requests.lost", { count: 1, name: "perl" })).toBe("1 request of perl was lost here. The sums include it.");
    expect(english("requests.lost", { count: 1234, name: "perl" })).toBe("1,234 requests of perl were lost here. The sums include them.");
    const spanish = i18n.getFixedT("es");
    expect(spanish("process.threads", { count: 1 })).toBe("1 hilo");
    expect(spanish("process.threads", { count: 0 })).toBe("0 hilos");
    expect(spanish("process.threads", { count: 1_000_000 })).toBe("1.000.000 de hilos");
  });

  it("write numbers as the tables do", () => {
    expect(i18n.getFixedT("es")("requests.shown", { shown: 1204, limit: 5000 })).toBe("1.204 a la vista; la página guarda las últimas 5.000");
    expect(i18n.getFixedT("es")("health.swapOf", { used: 0, total: 1_610_612_736 })).toBe("0 B de 1,50 GiB en uso");
    expect(i18n.getFixedT("en")("overview.rates.aria", { now: 0.5, top: 1204.3 })).toContain("now 0.5, at most 1,204.");
  });

  it.each(["{{count}}", "$t(frame.close)", "{{name}}", "$& $1 $$", "<b>&amp;</b>", "a,\"b\"", "__proto__"])(
    "insert the name %j unchanged",
    (name) => {
      const text = i18n.getFixedT("en")("requests.lost", { count: 2, name });
      expect(text).toBe(`2 requests of ${name} were lost here. The sums include them.`);
    },
  );

  it("have no meaning for unknown names", () => {
    const t = i18n.getFixedT("es");
    expect(meaningOf(t, "errors", "EINTR")).toBe("Llegó una señal antes de que terminara la llamada.");
    expect(meaningOf(t, "plans", "exit+locks")).toMatch(/^exit\+locks: cada cambio/);
    for (const name of ["", "ENONE", "constructor", "__proto__", "EINTR.x"]) expect(meaningOf(t, "errors", name)).toBeUndefined();
  });
});
