/**
 * Applies MariaDB's relay logs by way of its programs, each transaction with its original GTID.
 *
 * Its own applier would throw them away first: `START SLAVE` with both threads stopped begins anew where the applied ones
 * end, and has the source send the rest again (mysql.md, relay logs). There may be no source any more.
 */

import { dirname, join } from 'node:path';
import { differencePosition } from '../core/position.js';
import { LOOK_WITHIN_MS, watchApplying } from './applying.js';
import { DatabaseError } from './errors.js';
import { type RelayLogs, text } from './flavour.js';
import { type Applier, endApplier, startApplier, withLargestPackets } from './salvage-apply.js';
import { printLogs } from './salvage-print.js';
import { askAside, askCommand, DEFAULT_STALL_MS, type StepContext } from './step.js';

/**
 * Both threads of the channel must be stopped, and stay so. What a crash has torn off at the end is no transaction; whether
 * all others are applied tells the position, and not how the programs ended.
 * @throws DatabaseError where something is not applied in the end
 */
export const applyRelayLogs = async (
  context: StepContext,
  { stored, unapplied }: RelayLogs,
  stallMs: number,
): Promise<void> => {
  const { flavour } = context;
  if (unapplied === undefined) return;
  const [row] = await askCommand(context)('SELECT @@global.relay_log_basename AS basename');
  const directory = dirname(text(row, 'basename'));
  const files = unapplied.files.map((name) => join(directory, name));
  const problem = await withLargestPackets(askCommand(context), () =>
    feed(context, { stored, files, start: unapplied.start, stallMs }),
  );
  const missing = differencePosition(stored, await flavour.readPosition(askCommand(context)));
  if (missing === '') return;
  const why = problem === '' ? 'all of it was printed and taken' : problem;
  throw new DatabaseError('statement', 0, `${missing} lies in ${files.join(', ')} and is not applied: ${why}`);
};

interface Feed {
  readonly stored: string;
  readonly files: readonly string[];
  readonly start: number;
  readonly stallMs: number;
}

/** Answers what went wrong on the way; empty: nothing. */
const feed = async (context: StepContext, { stored, files, start, stallMs }: Feed): Promise<string> => {
  const { flavour, signal, login, command, cpuMs, nowMs } = context;
  const words = flavour.salvage;
  const args = [...words.printOptions({ start }), ...files];
  let applier: Applier | undefined;
  const watching = new AbortController();
  const watched = watchApplying({
    flavour,
    ask: askAside(context, LOOK_WITHIN_MS),
    target: stored,
    applier: () => applier,
    cpuMs,
    nowMs,
    signal: watching.signal,
    progress: (text) => context.progress(`relay logs: ${text}`),
  });
  let problem: string;
  let whole = false;
  try {
    applier = await startApplier({ ...login, stallMs, signal, words });
    const job = { program: words.binlogProgram, args, stallMs: DEFAULT_STALL_MS, signal };
    const printed = await printLogs(job, applier.write);
    problem = printed.problem;
    if (!printed.cut) await applier.finish();
    whole = !printed.cut;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  } finally {
    // A rollback is no progress.
    watching.abort();
    await watched;
  }
  const waits = whole || applier === undefined ? '' : await endApplier(applier, { session: command, flavour });
  // What waits for room may be counted as had, and is not: the relay logs must stay.
  if (waits !== '') throw new DatabaseError('statement', 0, `applying the relay logs: ${waits}`);
  return problem;
};
