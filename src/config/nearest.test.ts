import { expect, test } from 'vitest';
import { nearest } from './nearest.js';

const KNOWN = ['heartbeat', 'interval', 'dead_after', 'vip', 'mysql'];

test.each([
  ['hearbeat', 'heartbeat'],
  ['deadAfter', 'dead_after'],
  ['dead-after', 'dead_after'],
  ['intervall', 'interval'],
  ['vips', 'vip'],
  ['nopreempt', null],
  ['', null],
  ['x'.repeat(100_000), null],
])('%.20s was meant to be %s', (name, meant) => {
  expect(nearest(name, KNOWN)).toBe(meant);
});
