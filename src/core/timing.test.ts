/** What the times that are derived from a lease owe each other. */

import { describe, expect, test } from 'vitest';
import { addressLifetimeSeconds, addressPromiseMs, countedLease } from './timing.js';

describe('a promise with `guard: address`', () => {
  /** Measured: docs/decisions/0014. */
  const KERNEL_LATE_MS = 250;

  test.each([300, 900, 1_000, 1_500, 3_000, 10_000, 30_000])(
    'of a lease of %i ms outlasts an address that was given its lifetime in the last moment of the lease',
    (leaseMs) => {
      const addressGoneMs = countedLease(leaseMs) + addressLifetimeSeconds(leaseMs) * 1_000 + KERNEL_LATE_MS;
      expect(addressGoneMs).toBeLessThan(countedLease(addressPromiseMs(leaseMs)));
    },
  );
});
