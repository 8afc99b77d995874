/** Has what a quarantined node has of its own kept when the hold begins: an operator may come after the purge. */

import { fileURLToPath } from 'node:url';
import type { JournalEntry } from '../core/effect.js';
import type { NodeState } from '../core/state.js';
import type { Instant, Millis, Position } from '../core/types.js';
import { goLast } from '../host/priority.js';
import type { Target } from '../mysql/connection.js';
import type { Credentials } from '../mysql/credentials.js';
import type { Kept } from '../mysql/kept-binlog.js';
import { startProgram } from '../mysql/salvage-program.js';

/** What the program is told, on its standard input: a login belongs neither in arguments nor in an environment. */
export interface DivergenceOrder {
  readonly target: Target;
  readonly credentials: Credentials;
  /** What the active has. */
  readonly active: Position;
  readonly directory: string;
}

/** What it answers. */
export interface DivergenceAnswer {
  readonly count: number;
  readonly unread: string;
  /** Null: no binary log has any of it. */
  readonly kept: Kept | null;
}

export interface DivergenceKeeperOptions {
  readonly order: () => Omit<DivergenceOrder, 'active'>;
  readonly now: () => Instant;
  readonly tell: (entry: JournalEntry) => void;
}

export interface DivergenceKeeper {
  /** After every event. */
  readonly settled: (state: NodeState) => void;
  readonly stop: () => void;
}

const PROGRAM = fileURLToPath(new URL('divergence-program.js', import.meta.url));
/** All binary logs since the split are read, behind everything else on the host. */
const KEEP_MS: Millis = 1_800_000;
/** The active's position travels in its heartbeats: what was replicated a moment ago may still be on its way. */
const SETTLE_MS: Millis = 2_000;
/** A database that is down, a disk that is full: looked at again while the hold stands. */
const RETRY_MS: Millis = 60_000;
const ANSWER_MAX_CHARS = 10_000;

export const createDivergenceKeeper = ({ order, now, tell }: DivergenceKeeperOptions): DivergenceKeeper => {
  /** Of the hold that was seen to; it names the transactions. */
  let seenTo = '';
  let retryAt: Instant = 0;
  let stopProgram: (() => void) | undefined;
  let toldWhy = '';

  const keep = async (why: string, term: number, active: Position): Promise<void> => {
    const notice = (kind: 'notice' | 'alarm', text: string): void => {
      if (text !== toldWhy) tell({ kind, term, cause: 'quarantined', text });
      toldWhy = text;
    };
    try {
      const { count, unread, kept } = await ask({ ...order(), active }, (stop) => {
        stopProgram = stop;
      });
      if (kept?.kind === 'not-kept') throw new Error(kept.why);
      seenTo = why;
      const rest = unread === '' ? '' : `; not among them: ${unread}`;
      if (kept === null) notice('alarm', `no binary log has the transactions that only this node has: ${unread}`);
      else notice('notice', `the ${count} transactions that only this node has are kept in ${kept.directory}${rest}`);
    } catch (error) {
      retryAt = now() + RETRY_MS;
      const text = error instanceof Error ? error.message : String(error);
      notice('alarm', `the transactions that only this node has are not kept yet: ${text}`);
    } finally {
      stopProgram = undefined;
    }
  };

  return {
    settled: (state) => {
      const hold = state.holds.get('quarantined');
      const { beat } = state.peer;
      if (hold === undefined || hold.why === seenTo || stopProgram !== undefined) return;
      if (now() < Math.max(hold.since + SETTLE_MS, retryAt)) return;
      if (!beat?.owner || beat.position === '') return;
      stopProgram = () => undefined;
      void keep(hold.why, beat.term, beat.position);
    },
    stop: () => stopProgram?.(),
  };
};

/** @throws Error that says what failed */
const ask = async (order: DivergenceOrder, started: (stop: () => void) => void): Promise<DivergenceAnswer> => {
  const { child, ended, kill } = startProgram(process.execPath, [PROGRAM]);
  started(kill);
  if (child.pid !== undefined) goLast(child.pid);
  const timer = setTimeout(kill, KEEP_MS);
  let answer = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    answer = (answer + text).slice(0, ANSWER_MAX_CHARS);
  });
  child.stdin?.end(JSON.stringify(order));
  try {
    const problem = await ended;
    if (problem !== '') throw new Error(problem);
    return JSON.parse(answer) as DivergenceAnswer;
  } finally {
    clearTimeout(timer);
  }
};
