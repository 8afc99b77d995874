import { expect, it } from 'vitest';
import { KIND_NAMES, planFaults } from './plan.js';

it('draws so many faults of each kind, numbered, in an order of its own', () => {
  const faults = planFaults(7, KIND_NAMES, 20);
  expect(faults.map(({ number }) => number)).toEqual(faults.map((_, index) => index + 1));
  for (const kind of KIND_NAMES) expect(faults.filter((fault) => fault.kind === kind)).toHaveLength(20);
  const changes = faults.filter(({ kind }, index) => kind !== faults[index - 1]?.kind);
  expect(changes.length).toBeGreaterThan(KIND_NAMES.length);
});

it('draws the same for the same seed, and something else for another', () => {
  expect(planFaults(7, KIND_NAMES, 3)).toEqual(planFaults(7, KIND_NAMES, 3));
  expect(planFaults(8, KIND_NAMES, 3)).not.toEqual(planFaults(7, KIND_NAMES, 3));
});
