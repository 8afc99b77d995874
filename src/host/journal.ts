/** Keeps the journal of decisions on disk: append-only JSON lines, bounded in size, never in the caller's way. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalEntry } from '../core/effect.js';
import { createDiskReader, type DiskReader } from './disk-reader.js';
import { createJournalFile, readTail } from './journal-file.js';
import { type JournalLine, parseLines } from './journal-line.js';

/** When the file would grow past this it becomes `journal.jsonl.1`, in place of the one before: some 20,000 entries each. */
export const JOURNAL_MAX_BYTES = 4 * 1024 * 1024;
/** Lines that may wait for the disk. Past it new ones are dropped and counted. */
export const MAX_WAITING_LINES = 1_000;
/** How many lines `tail` answers at most: `MAX_HISTORY_ENTRIES` of the control socket. */
export const MAX_TAIL_LINES = 2_000;
/** For `tail`; whoever asks meanwhile waits for as long, and does not read beside it. */
const TAIL_MS = 2_000;
/** An entry quotes servers and hooks; what is longer than this is cut. */
const MAX_TEXT_CHARS = 2_000;
/** After a failed write: the disk may have room again. */
const RETRY_MS = 1_000;

export interface Journal {
  readonly path: string;
  /** Returns at once; the line is written soon. */
  append(entry: JournalEntry): void;
  /**
   * The newest lines, oldest first, with those that still wait for the disk. Damaged lines are left out. Rejects where the
   * disk does not answer.
   */
  tail(count: number): Promise<readonly JournalLine[]>;
  /** Null: the last write succeeded. Else why not, for `status`. */
  problem(): string | null;
  /** Writes what waits, as far as the disk lets it, and closes the file. */
  close(): Promise<void>;
}

export interface JournalOptions {
  /** The state directory. */
  readonly directory: string;
  /** CLOCK_BOOTTIME in milliseconds: puts entries in order, whatever happens to the wall clock. */
  readonly nowMs: () => number;
  /** For people only. */
  readonly wallClock: () => Date;
  /** Told once when writing begins to fail, and null when it works again. */
  readonly onProblem?: (why: string | null) => void;
  readonly maxBytes?: number;
  readonly disk?: DiskReader;
}

/**
 * Opens nothing yet; the file is made at the first entry. Lines are not fsynced: they survive the agent's death, and a
 * power cut costs the last second of an account that the peer keeps too.
 */
export const createJournal = (options: JournalOptions): Journal => {
  const path = join(options.directory, 'journal.jsonl');
  const waiting: string[] = [];
  const file = createJournalFile(options.directory, path, options.maxBytes ?? JOURNAL_MAX_BYTES);
  const { disk = createDiskReader() } = options;
  const closing = new AbortController();
  let dropped = 0;
  let problem: string | null = null;
  let work: Promise<void> | null = null;

  const stamp = (entry: JournalEntry): string => {
    const at = options.wallClock().toISOString();
    const line: JournalLine = { at, bootMs: options.nowMs(), ...entry, text: entry.text.slice(0, MAX_TEXT_CHARS) };
    return `${JSON.stringify(line)}\n`;
  };
  const setProblem = (why: string | null): void => {
    if ((why === null) !== (problem === null)) options.onProblem?.(why);
    problem = why;
  };
  /** True: all is written. */
  const writeBatch = async (): Promise<boolean> => {
    const batch = waiting.slice();
    const loss = dropped === 0 ? [] : [stamp(lossEntry(dropped))];
    const lost = dropped;
    try {
      await file.append([...batch, ...loss].join(''));
    } catch (error) {
      setProblem(`cannot write the journal ${path}: ${messageOf(error)}`);
      return false;
    }
    waiting.splice(0, batch.length);
    dropped -= lost;
    setProblem(null);
    return true;
  };
  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      if (await writeBatch()) continue;
      if (closing.signal.aborted) break;
      await sleep(RETRY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    }
    work = null;
  };
  return {
    path,
    append(entry) {
      if (waiting.length >= MAX_WAITING_LINES) dropped += 1;
      else waiting.push(stamp(entry));
      work ??= drain();
    },
    async tail(count) {
      const wanted = Math.min(count, MAX_TAIL_LINES);
      const unwritten = waiting.slice();
      const written = await disk.read(`reading the journal ${path}`, TAIL_MS, async () => {
        const newest = await readTail(path, wanted);
        const older = newest.length < wanted ? await readTail(`${path}.1`, wanted - newest.length) : [];
        return [...older, ...newest];
      });
      return withoutRepeats([...written, ...parseLines(unwritten.join(''))]).slice(-wanted);
    },
    problem: () => problem,
    async close() {
      closing.abort();
      await work;
      await file.close();
    },
  };
};

const lossEntry = (dropped: number): JournalEntry => ({
  kind: 'notice',
  term: 0,
  cause: 'journal-dropped',
  text: `${dropped} journal entries were dropped while the disk did not take them`,
});

/** A line may be in the file twice, after a write that was cut short, or in the file and still waiting. */
const withoutRepeats = (lines: readonly JournalLine[]): readonly JournalLine[] => {
  const seen = new Map(lines.map((line) => [JSON.stringify(line), line]));
  return [...seen.values()];
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
