/** A group of two nodes and a witness, for tests. */

import type { CoreConfig } from './types.js';

export const CONFIG: CoreConfig = {
  group: 'orders',
  self: 'db1',
  boot: 'boot',
  peer: 'db2',
  witnesses: ['w1'],
  priority: 100,
  peerPriority: 90,
  intervalMs: 100,
  leaseMs: 300,
  promiseMs: 300,
  gateways: false,
  semiSync: 'off',
  checks: {},
  cooldownMs: 0,
  maxFailovers: 3,
  failoverWindowMs: 600_000,
  catchUpTimeoutMs: 3_000,
  salvage: false,
  maxLossMs: 0,
  fence: null,
  hookPhases: [],
  standbyVip: null,
};
