/** What is done to a pair, drawn from a seed: the same seed draws the same faults. */

import { createRandom } from '../sim/random.js';

export const KIND_NAMES = ['switchover', 'crash', 'host', 'partition', 'hang', 'host-async'] as const;
export type KindName = (typeof KIND_NAMES)[number];

/** One fault, with all that is random in it. */
export interface Fault {
  readonly kind: KindName;
  /** From 1, in the order of the plan; its registers and its clients' seed follow from it. */
  readonly number: number;
  /** Clients write for this long before it. */
  readonly beforeMs: number;
  /** From 0 to 1: how long it lasts, between the bounds of its kind. */
  readonly length: number;
  /** From 0 to 1: which of the kind's variants. */
  readonly variant: number;
  readonly seed: number;
}

const BEFORE_MS = { from: 300, to: 2_000 } as const;
export const MAX_SEED = 0xffff_ffff;

/** `count` of each kind, mixed. */
export const planFaults = (seed: number, kinds: readonly KindName[], count: number): readonly Fault[] => {
  const random = createRandom(seed);
  const left = kinds.flatMap((kind) => Array.from({ length: count }, () => kind));
  const faults: Fault[] = [];
  for (let number = 1; left.length > 0; number += 1) {
    const [kind] = left.splice(random.whole(0, left.length - 1), 1);
    if (kind === undefined) break;
    faults.push({
      kind,
      number,
      beforeMs: random.between(BEFORE_MS.from, BEFORE_MS.to),
      length: random.float(),
      variant: random.float(),
      seed: random.whole(0, MAX_SEED),
    });
  }
  return faults;
};
