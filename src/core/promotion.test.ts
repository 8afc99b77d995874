/** What an operator who asked for a promotion hears while it takes its time. */

import { expect, test } from 'vitest';
import { CONFIG } from './config.fixture.js';
import { onPromotionProgress, startPromotion } from './promotion.js';
import { startNode } from './start.js';
import { set, type Turn } from './turn.js';

/** A promotion that makes progress five times a second, for so long. */
const progressFor = (ms: number, ordered: boolean): readonly string[] => {
  let { state } = startNode(CONFIG, null, 0);
  const heard: string[] = [];
  const take = (now: number, act: (turn: Turn) => void): void => {
    const turn: Turn = { s: state, now, effects: [] };
    act(turn);
    state = turn.s;
    for (const effect of turn.effects) if (effect.type === 'reply') heard.push(`${effect.id}: ${effect.text}`);
  };
  take(0, (turn) => {
    if (ordered) set(turn, { order: { commandId: 7, acceptLoss: false } });
    startPromotion(turn, [], []);
  });
  for (let now = 200; now <= ms; now += 200)
    take(now, (turn) => onPromotionProgress(turn, state.promotion?.catchUpId ?? 0, `${ms - now} to apply`));
  return heard;
};

test('tells the operator of progress, and not each time', () => {
  expect(progressFor(2_800, true)).toEqual(['7: 1800 to apply', '7: 800 to apply']);
});

test('tells nobody of a promotion that nobody ordered', () => {
  expect(progressFor(2_800, false)).toEqual([]);
});
