import { describe, expect, it } from "vitest";
import { inkOn, othersColour, slotColour, type Theme } from "../src/lib/palette";
import { SLOTS } from "../src/model/colours";

type Triple = readonly [number, number, number];

/**
 * Matrices on linear RGB that simulate normal sight and each complete colour blindness (Machado,
 * Oliveira, Fernandes 2009).
 */
const EYES: Record<string, readonly Triple[]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
/** Smallest allowed distance in OKLab, about four times the smallest visible difference. */
const APART = 0.07;
const THEMES: readonly Theme[] = ["light", "dark"];

function colours(theme: Theme): string[] {
  return [...Array.from({ length: SLOTS }, (_, slot) => slotColour(slot, theme)), othersColour(theme)];
}

function linear(colour: string): Triple {
  const channel = (at: number) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

function dot(a: Triple, b: Triple): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function apply(matrix: readonly Triple[], vector: Triple): Triple {
  const [a = 0, b = 0, c = 0] = matrix.map((row) => dot(row, vector));
  return [a, b, c];
}

function oklab(rgb: Triple): Triple {
  const cones = apply(
    [[0.412_221, 0.536_333, 0.051_446], [0.211_903, 0.680_7, 0.107_397], [0.088_302, 0.281_719, 0.629_979]],
    rgb,
  );
  return apply(
    [[0.210_454, 0.793_618, -0.004_072], [1.977_998, -2.428_592, 0.450_594], [0.025_904, 0.782_772, -0.808_676]],
    [Math.cbrt(cones[0]), Math.cbrt(cones[1]), Math.cbrt(cones[2])],
  );
}

function bounded(part: number): number {
  return Math.min(1, Math.max(0, part));
}

function seen(colour: string, eye: readonly Triple[]): Triple {
  const [red, green, blue] = apply(eye, linear(colour));
  return oklab([bounded(red), bounded(green), bounded(blue)]);
}

function closest(points: readonly Triple[]): number {
  let least = Infinity;
  for (const [i, a] of points.entries()) {
    for (const b of points.slice(i + 1)) least = Math.min(least, Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
  }
  return least;
}

function luminance(colour: string): number {
  return dot([0.2126, 0.7152, 0.0722], linear(colour));
}

function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

describe.each(THEMES)("the %s palette", (theme) => {
  it.each(Object.entries(EYES))("has distinct colours for %s eyes", (_, eye) => {
    expect(closest(colours(theme).map((colour) => seen(colour, eye)))).toBeGreaterThan(APART);
  });

  it("has a readable text colour on every colour", () => {
    for (const colour of colours(theme)) expect(contrast(colour, inkOn(colour))).toBeGreaterThanOrEqual(4.5);
  });
});
