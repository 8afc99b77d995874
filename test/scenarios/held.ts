/** A node that does not take over: the hold it tells, what an operator types, and the loss that was announced. */

import { allAttempts, rowsOf } from '../lab/checks.js';
import type { Lab } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import { waitForValue } from '../lab/wait.js';
import { nobodyWrites, PATIENCE_MS, type Stage, selfOf } from './stage.js';

/** Many leases, and several attempts to stand. */
const STEADY_MS = 4_000;

/** The hold of that name, as the status of the node tells it; awaited. */
export const heldBy = ({ lab }: Stage, node: NodeName, name: string): Promise<string> =>
  waitForValue(
    async () => {
      const held = (await selfOf(lab, node))?.holds ?? [];
      const why = held.find((hold) => hold.name === name)?.why;
      if (why !== undefined) return { done: true, value: why };
      return { done: false, seen: `holds ${held.map((hold) => hold.name).join(', ') || 'nothing'}` };
    },
    `${node} holds ${name}`,
    PATIENCE_MS,
  );

const journalled = async (lab: Lab, node: NodeName, kind: string, cause: string): Promise<string> => {
  const entry = (await lab.journal(node)).filter((one) => one.kind === kind && one.cause === cause).at(-1);
  if (entry === undefined) throw new Error(`the journal of ${node} has no ${kind} of the cause ${cause}`);
  return entry.text;
};

/** Nobody serves, and the node says so and goes on saying why. */
export const staysHeld = async (stage: Stage, node: NodeName, name: string, words: RegExp): Promise<string> => {
  await heldBy(stage, node, name);
  await nobodyWrites(stage, STEADY_MS);
  const why = await heldBy(stage, node, name);
  stage.note(`${node} holds ${name}: ${why}`);
  const status = await stage.lab.status(node);
  if (!status.noWriter) throw new Error(`${node} does not say that there is no writer`);
  if (!words.test(why)) throw new Error(`the hold ${name} of ${node} does not say ${words}: ${why}`);
  const told = await journalled(stage.lab, node, 'hold', name);
  if (!words.test(told)) throw new Error(`the journal of ${node} does not say ${words} of its hold ${name}: ${told}`);
  return why;
};

/** First without the word, which is refused with the reason; then with it. Answers the loss as it was announced. */
export const promoteByHand = async (stage: Stage, node: NodeName, words: RegExp): Promise<string> => {
  const { lab, note, untilActive } = stage;
  const refused = await lab.vipctl(node, ['promote']);
  const refusal = `${refused.stdout}${refused.stderr}`.trim();
  if (refused.status === 0) throw new Error(`vipctl promote was not refused: ${refusal}`);
  if (!words.test(refusal)) throw new Error(`vipctl promote is refused without ${words}: ${refusal}`);
  const { status, stdout, stderr } = await lab.vipctl(node, ['promote', '--accept-loss']);
  if (status !== 0) throw new Error(`vipctl promote --accept-loss: exit status ${status}: ${stdout}${stderr}`);
  if (!words.test(stdout)) throw new Error(`vipctl promote --accept-loss does not name ${words}: ${stdout}`);
  await untilActive(node);
  const announced = await journalled(lab, node, 'alarm', 'loss');
  note(`announced: ${announced}`);
  return announced;
};

/** How far back from the active's death the announced loss reaches. */
export const reachOf = (announced: string): number => {
  if (announced.includes('an unknown part')) return Number.POSITIVE_INFINITY;
  const ms = /up to the last (\d+) ms/.exec(announced)?.[1];
  if (ms === undefined) throw new Error(`a loss without a measure: ${announced}`);
  return Number(ms);
};

/** Something acknowledged is lost here, and no more than was announced. It is kept on the old active; see `loss`. */
export const checkAnnounced = async (
  stage: Stage,
  node: NodeName,
  announced: string,
  diedAt: number,
): Promise<void> => {
  const rows = await rowsOf(stage.lab, node);
  const lost = allAttempts(stage.load).filter(({ acknowledged, id }) => acknowledged && !rows.has(id));
  const oldest = Math.min(...lost.map(({ end }) => end));
  stage.note(`${lost.length} acknowledged writes are not on ${node}, back to ${(diedAt - oldest).toFixed(0)} ms`);
  if (lost.length === 0) throw new Error('nothing was lost, so nothing was tried');
  const reach = reachOf(announced);
  if (diedAt - oldest > reach) {
    throw new Error(`writes of ${(diedAt - oldest).toFixed(0)} ms before the death are lost; announced: ${announced}`);
  }
  const known = Number(/at most (\d+) transactions are known/.exec(announced)?.[1] ?? 0);
  if (known === 0) throw new Error(`the announced loss counts no transaction: ${announced}`);
};
