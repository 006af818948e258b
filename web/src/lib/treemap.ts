/**
 * Squarified treemap (Bruls, Huizing, van Wijk 2000): rectangles close to squares, with areas in
 * proportion to amounts. Pure.
 */

/** Position and size as parts of the whole, 0 to 1. */
export interface Tile {
  left: number;
  top: number;
  width: number;
  height: number;
}

/**
 * A tile for each amount. Amounts must be sorted from largest to smallest. `aspect` is the ratio of
 * width to height of the whole.
 */
export function tiles(amounts: readonly number[], aspect: number): Tile[] {
  const total = amounts.reduce((sum, amount) => sum + amount, 0);
  if (total <= 0) return amounts.map(() => ({ left: 0, top: 0, width: 0, height: 0 }));
  // The whole has a height of 1 here, and amounts are areas.
  const areas = amounts.map((amount) => (aspect * amount) / total);
  const done: Tile[] = [];
  let remaining: Tile = { left: 0, top: 0, width: aspect, height: 1 };
  for (let from = 0; from < areas.length;) {
    const side = Math.min(remaining.width, remaining.height);
    let to = from + 1;
    while (to < areas.length && worst(areas.slice(from, to + 1), side) <= worst(areas.slice(from, to), side)) to += 1;
    remaining = addTiles(areas.slice(from, to), remaining, done);
    from = to;
  }
  return done.map(({ left, top, width, height }) => ({ left: left / aspect, top, width: width / aspect, height }));
}

/** The worst aspect ratio in a row along `side`. */
function worst(row: readonly number[], side: number): number {
  const sum = row.reduce((total, area) => total + area, 0);
  const thick = sum / side;
  return Math.max(...row.map((area) => Math.max(thick ** 2 / area, area / thick ** 2)));
}

/** Adds a row along the shorter side, and returns the remaining rectangle. */
function addTiles(row: readonly number[], { left, top, width, height }: Tile, done: Tile[]): Tile {
  const sum = row.reduce((total, area) => total + area, 0);
  const isColumn = width >= height;
  // Limited to the remaining rectangle, which rounding could exceed.
  const thick = sum === 0 ? 0 : Math.min(sum / (isColumn ? height : width), isColumn ? width : height);
  let along = 0;
  for (const area of row) {
    const long = thick === 0 ? 0 : area / thick;
    done.push(
      isColumn
        ? { left, top: top + along, width: thick, height: long }
        : { left: left + along, top, width: long, height: thick },
    );
    along += long;
  }
  return isColumn
    ? { left: left + thick, top, width: width - thick, height }
    : { left, top: top + thick, width, height: height - thick };
}
