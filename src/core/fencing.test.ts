/** In which order an owner that fences speaks and acts. */

import { expect, test } from 'vitest';
import { CONFIG } from './config.fixture.js';
import { fence } from './fencing.js';
import { newOwnership } from './lease.js';
import { startNode } from './start.js';
import { set, type Turn } from './turn.js';

/** What an active does at once, in order, up to its VIP. */
const uponFencing = (cause: 'database-failed' | 'lease-lost'): readonly string[] => {
  const turn: Turn = { s: startNode(CONFIG, null, 0).state, now: 0, effects: [] };
  set(turn, { role: 'active', owner: newOwnership(1, 300, 'no-owner') });
  fence(turn, cause, '');
  const told = turn.effects.map((effect) =>
    effect.type === 'send' && effect.message.kind === 'beat'
      ? `beat: ${effect.message.role}, ${effect.message.owner ? 'owner' : 'no owner'}`
      : effect.type,
  );
  return told.slice(0, told.indexOf('vip-off') + 1).filter((what) => what !== 'journal');
};

test('that its server is dead is told before the VIP goes, which holds up whatever is sent behind it', () => {
  const [first, ...rest] = uponFencing('database-failed');
  expect(first).toBe('beat: fencing, no owner');
  expect(rest.at(-1)).toBe('vip-off');
});

test('nothing stands before the VIP of an owner whose lease ran out', () => {
  expect(uponFencing('lease-lost')).toEqual(['vip-off']);
});
