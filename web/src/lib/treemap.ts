/** Rectangles whose areas are as amounts, near to squares (Bruls, Huizing, van Wijk 2000). Pure. */

/** In parts of the whole, 0 to 1. */
export interface Tile {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A tile for each amount, which come largest first; `aspect` is how much wider than high the whole is drawn. */
export function tiles(amounts: readonly number[], aspect: number): Tile[] {
  const total = amounts.reduce((sum, amount) => sum + amount, 0);
  if (total <= 0) return amounts.map(() => ({ left: 0, top: 0, width: 0, height: 0 }));
  // In units in which the whole has a height of 1 and amounts are areas.
  const areas = amounts.map((amount) => (aspect * amount) / total);
  const done: Tile[] = [];
  let rest: Tile = { left: 0, top: 0, width: aspect, height: 1 };
  for (let from = 0; from < areas.length;) {
    const side = Math.min(rest.width, rest.height);
    let to = from + 1;
    while (to < areas.length && worst(areas.slice(from, to + 1), side) <= worst(areas.slice(from, to), side)) to += 1;
    rest = laid(areas.slice(from, to), rest, done);
    from = to;
  }
  return done.map(({ left, top, width, height }) => ({ left: left / aspect, top, width: width / aspect, height }));
}

/** How far the worst tile of a row along `side` is from a square. */
function worst(row: readonly number[], side: number): number {
  const sum = row.reduce((total, area) => total + area, 0);
  const thick = sum / side;
  return Math.max(...row.map((area) => Math.max(thick ** 2 / area, area / thick ** 2)));
}

/** Lays a row along the shorter side; gives what is left. */
function laid(row: readonly number[], { left, top, width, height }: Tile, done: Tile[]): Tile {
  const sum = row.reduce((total, area) => total + area, 0);
  const isColumn = width >= height;
  // No more than is left: amounts far apart leave less than a number can tell.
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
