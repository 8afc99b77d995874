/** The checker on a real pair, for a minute: it finds nothing where nothing is wrong, and what was tampered with. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { activeNode } from '../lab/checks.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { peerOf } from '../lab/lab.js';
import { createPair, endPair, type Pair } from './pair.js';
import { type Fault, planFaults } from './plan.js';
import { playRound, type Round } from './round.js';

const SEED = 20_261_127;
const ACKNOWLEDGED_AT_LEAST = 50;

inSandbox('test/registers/registers.lab.test.ts', () => {
  let pair: Pair;
  const played: Round[] = [];
  const faults = planFaults(SEED, ['switchover', 'crash'], 2);
  const next = (kind: Fault['kind']): Fault => {
    const found = faults.find((fault) => fault.kind === kind && !played.some((one) => one.fault === fault));
    if (found === undefined) throw new Error(`the plan has no more ${kind}`);
    return found;
  };
  const play = async (kind: Fault['kind']): Promise<Round> => {
    const earlier = new Map(played.flatMap(({ lists }) => [...lists]));
    const round = await playRound(pair, next(kind), earlier);
    played.push(round);
    return round;
  };

  beforeAll(async () => {
    pair = await createPair('mariadb', 'off');
  });
  afterAll(() => endPair(pair));

  it('finds every acknowledged append after a switchover, and after a crash of mysqld that salvage mends', async () => {
    for (const kind of ['switchover', 'crash'] as const) {
      const { verdict, problems, moved } = await play(kind);
      expect(problems).toEqual([]);
      expect(verdict.violations).toEqual([]);
      expect(verdict.acknowledged).toBeGreaterThan(ACKNOWLEDGED_AT_LEAST);
      expect(verdict.reads).toBeGreaterThan(0);
      expect(moved).toBe(true);
    }
  });

  it('finds a value that somebody took out of one node', async () => {
    const { lab } = pair;
    const [register, values] = [...(played[0]?.lists ?? [])].find(([, list]) => list.length > 0) ?? [0, []];
    const { openForAccounts, closeAfterAccounts } = lab.database.db1.kind;
    const taken = `UPDATE lab.registers SET appended = REPLACE(appended, '${values[0]},', '') WHERE id = ${register}`;
    const standby = lab.database[peerOf(await activeNode(lab))];
    await standby.sql([openForAccounts, 'SET SESSION sql_log_bin=0', taken, closeAfterAccounts].join('; '));
    const { verdict } = await play('switchover');
    expect(verdict.violations).toMatchObject([{ kind: 'changed later', register, value: values[0] }]);
  });
});
