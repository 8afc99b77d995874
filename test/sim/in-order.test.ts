import { describe, expect, it } from 'vitest';
import { addCounts, type BatchResult, playBatch } from './batch.js';
import { playInOrder } from './in-order.js';
import { noCounts } from './ledger.js';

/** Players that finish late and early by turns, told apart by what they wait for. */
const players = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    play: async (task: number): Promise<string> => {
      for (let turn = 0; turn < ((task * 7 + i * 3) % 5) + 1; turn += 1) await Promise.resolve();
      return `answer to ${task}`;
    },
  }));

const answersOf = async (count: number, tasks: number): Promise<readonly string[]> => {
  const answers: string[] = [];
  let given = 0;
  const next = (): number | null => {
    given += 1;
    return given <= tasks ? given : null;
  };
  await playInOrder(players(count), next, (answer) => answers.push(answer));
  return answers;
};

describe('several players', () => {
  it('answer in the order of the tasks, however many they are', async () => {
    const alone = await answersOf(1, 40);
    expect(alone).toHaveLength(40);
    for (const count of [2, 3, 8]) expect(await answersOf(count, 40)).toEqual(alone);
  });

  it('end when nothing more is given, with what was under way', async () => {
    expect(await answersOf(4, 0)).toEqual([]);
    expect(await answersOf(4, 2)).toEqual(['answer to 1', 'answer to 2']);
  });
});

describe('batches', () => {
  it('sum up the same however the seeds are split', () => {
    const play = (first: number, runs: number): BatchResult => playBatch({ seed: 700, first, runs, traced: true });
    const parts = [play(0, 2), play(2, 1), play(3, 3)];
    const whole = play(0, 6);
    expect(parts.flatMap(({ trace }) => trace)).toEqual(whole.trace);
    expect(parts.map(({ counts }) => counts).reduce(addCounts, noCounts)).toEqual(whole.counts);
  }, 60_000);
});
