/** Seeded randomness: the same seed draws the same numbers on every machine. */

export interface Random {
  /** In [0, 1). */
  readonly float: () => number;
  /** In [from, to). */
  readonly between: (from: number, to: number) => number;
  /** A whole number in [from, to]. */
  readonly whole: (from: number, to: number) => number;
  readonly chance: (probability: number) => boolean;
  /** Throws for an empty list. */
  readonly pick: <T>(list: readonly T[]) => T;
}

/** One step of splitmix32: spreads neighbouring seeds far apart. */
const splitmix = (seed: number): [number, number] => {
  const state = (seed + 0x9e3779b9) | 0;
  let z = state ^ (state >>> 16);
  z = Math.imul(z, 0x21f0aaad);
  z = z ^ (z >>> 15);
  z = Math.imul(z, 0x735a2d97);
  return [state, (z ^ (z >>> 15)) >>> 0];
};

const DISCARDED = 4;

/** sfc32, "small fast counter" of PractRand: passes BigCrush, and needs no 64-bit arithmetic. `stream` gives one seed several. */
export const createRandom = (seed: number, stream = 0): Random => {
  let [state, a] = splitmix((seed ^ Math.imul(stream, 0x85ebca6b)) | 0);
  let b: number;
  let c: number;
  [state, b] = splitmix(state ^ Math.floor(seed / 0x1_0000_0000));
  [state, c] = splitmix(state);
  let counter = 1;
  const float = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 0x1_0000_0000;
  };
  for (let i = 0; i < DISCARDED; i += 1) float();
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(float() * list.length)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  };
  return {
    float,
    between: (from, to) => from + float() * (to - from),
    whole: (from, to) => from + Math.floor(float() * (to - from + 1)),
    chance: (probability) => float() < probability,
    pick,
  };
};
