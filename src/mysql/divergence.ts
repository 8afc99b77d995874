/** What this server has committed that the active has not: by GTID, with its rows, out of the binary logs. */

import { open } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { createInterface } from 'node:readline';
import { containsPosition, differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import { createBinlogReader, MAGIC } from './binlog-events.js';
import { readIndex, withDeadline } from './binlog-files.js';
import type { Session } from './connection.js';
import { createBinlogDecoder, type DecodedTransaction } from './decoded-binlog.js';
import { text } from './flavour.js';
import type { Link } from './links.js';
import { startProgram } from './salvage-program.js';
import { PROMPT_MS } from './step.js';

/** A binary log with extra transactions in it. */
export interface BinlogPart {
  readonly path: string;
  /** Where the first of them begins. */
  readonly start: number;
}

export interface Divergence {
  /** Body of a position: what this server has and the active has not. Empty: nothing. */
  readonly missing: string;
  /** How many of them were found in the binary logs. */
  readonly count: number;
  /** The first MAX_TRANSACTIONS of them, in the order in which they were committed here. */
  readonly transactions: readonly DecodedTransaction[];
  readonly parts: readonly BinlogPart[];
  /** Names of the columns in their order, by `schema.table`, as they are now; not there for a table that is gone. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
  /** Why some could not be read, in words for people; empty: all were. */
  readonly unread: string;
}

export interface DivergenceOptions {
  /** What the active has. */
  readonly active: Position;
  readonly signal: AbortSignal;
  /** Default: the flavour's, in PATH. */
  readonly program?: string;
}

export const MAX_TRANSACTIONS = 1_000;
/** Of all transactions together; the kept binary logs have the rest. */
const MAX_LISTED_ROWS = 20_000;
/** Without a line of output for this long the program hangs, as on a frozen disk. */
const STALL_MS = 30_000;

const NOTHING: Divergence = { missing: '', count: 0, transactions: [], parts: [], columns: new Map(), unread: '' };

/** Reads only. @throws Error or DatabaseError that says what could not be read. */
export const findDivergence = async (
  { session, flavour }: Link,
  { active, signal, program }: DivergenceOptions,
): Promise<Divergence> => {
  const position = await flavour.readPosition((sql) => session.query(sql, PROMPT_MS));
  const missing = differencePosition(position, active);
  if (missing === '') return NOTHING;
  const { files, purged } = await filesToRead(session, active, signal);
  const isExtra = (gtid: string): boolean => !containsPosition(active, `${flavour.name}:${gtid}`);
  const gathered = createGathering(isExtra);
  const name = program ?? flavour.salvage.binlogProgram;
  for (const path of files)
    await decodeFile(name, [...flavour.salvage.listOptions(missing), path], gathered.of(path), signal);
  const columns = await readColumns(session, gathered.transactions);
  return {
    missing,
    count: gathered.found(),
    transactions: gathered.transactions,
    parts: gathered.parts(),
    columns,
    unread: whyUnread(gathered.found(), purged),
  };
};

/** `purged`: body of a position, up to which binary logs are gone. */
const whyUnread = (found: number, purged: string): string => {
  if (purged !== '') return `what stands before and up to ${purged}: the oldest binary logs were purged`;
  return found > 0 ? '' : 'none of them is in a binary log of this server';
};

const createGathering = (isExtra: (gtid: string) => boolean) => {
  const transactions: DecodedTransaction[] = [];
  const starts = new Map<string, number>();
  let found = 0;
  let listedRows = 0;
  return {
    transactions,
    found: () => found,
    parts: (): readonly BinlogPart[] => [...starts].map(([path, start]) => ({ path, start })),
    of:
      (path: string) =>
      (transaction: DecodedTransaction): void => {
        if (!isExtra(transaction.gtid)) return;
        found += 1;
        if (!starts.has(path)) starts.set(path, transaction.start);
        if (transactions.length >= MAX_TRANSACTIONS) return;
        listedRows += transaction.rows.length;
        transactions.push(listedRows > MAX_LISTED_ROWS ? { ...transaction, rows: [] } : transaction);
      },
  };
};

const LOCATION = `SELECT @@global.datadir AS datadir, IFNULL(@@global.log_bin_index, '') AS log_bin_index`;

/** Oldest first. */
const filesToRead = async (session: Session, active: Position, signal: AbortSignal) => {
  const [row] = await session.query(LOCATION, PROMPT_MS);
  const index = text(row, 'log_bin_index');
  if (index === '') throw new Error('the server writes no binary log (log_bin), so that nothing can be listed');
  const dataDirectory = text(row, 'datadir');
  const location = { indexFile: resolvePath(dataDirectory, index), dataDirectory };
  const all = await withDeadline(signal, (deadline) => readIndex(location, deadline));
  for (let first = all.length - 1; ; first -= 1) {
    const earlier = differencePosition(await heldBefore(all[first] ?? ''), active);
    if (earlier === '' || first === 0) return { files: all.slice(first), purged: earlier };
  }
};

/** What all files before this one hold, as it says itself at its beginning. */
const heldBefore = async (path: string): Promise<Position> => {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const [{ size }, { bytesRead }] = [await file.stat(), await file.read(head, 0, head.length, 0)];
    const reader = createBinlogReader(() => undefined);
    reader.read(head.subarray(MAGIC.length, bytesRead), size);
    if (reader.unreadable !== undefined) throw new Error(`cannot read ${path}: ${reader.unreadable}`);
    return reader.heldAtStart ?? '';
  } finally {
    await file.close();
  }
};

/** What is said there of earlier files is shorter (binlog-events.ts, READ_WHOLE_MAX_BYTES). */
const HEAD_BYTES = 1_100_000;

const decodeFile = async (
  name: string,
  args: readonly string[],
  onTransaction: (transaction: DecodedTransaction) => void,
  signal: AbortSignal,
): Promise<void> => {
  const program = startProgram(name, args);
  program.child.stdin?.end();
  const decoder = createBinlogDecoder(onTransaction);
  let stopped = '';
  const stop = (why: string): void => {
    stopped ||= why;
    program.kill();
  };
  const onAbort = (): void => stop('it was given up');
  const stalled = (): void => stop(`it printed nothing for ${STALL_MS} ms; the disk of the binary logs may hang`);
  signal.addEventListener('abort', onAbort, { once: true });
  let timer = setTimeout(stalled, STALL_MS);
  program.child.stdout?.on('data', () => {
    clearTimeout(timer);
    timer = setTimeout(stalled, STALL_MS);
  });
  try {
    if (program.child.stdout !== null)
      for await (const line of createInterface({ input: program.child.stdout })) decoder.line(line);
    decoder.end();
    const problem = await program.ended;
    if (stopped !== '' || problem !== '')
      throw new Error(`cannot read ${args.at(-1)} with ${name}: ${stopped || problem}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    program.kill();
  }
};

const COLUMNS = 'SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS';

const readColumns = async (
  session: Session,
  transactions: readonly DecodedTransaction[],
): Promise<ReadonlyMap<string, readonly string[]>> => {
  const tables = new Set(transactions.flatMap(({ counts }) => [...counts.keys()]));
  const columns = new Map<string, readonly string[]>();
  for (const table of tables) {
    const [schema = '', ...name] = table.split('.');
    const where = `TABLE_SCHEMA = ${literal(schema)} AND TABLE_NAME = ${literal(name.join('.'))}`;
    const rows = await session.query(`${COLUMNS} WHERE ${where} ORDER BY ORDINAL_POSITION`, PROMPT_MS);
    if (rows.length > 0)
      columns.set(
        table,
        rows.map((row) => text(row, 'name')),
      );
  }
  return columns;
};

/** In hexadecimal, so that no name can end the text it stands in. */
const literal = (name: string): string => (name === '' ? "''" : `0x${Buffer.from(name).toString('hex')}`);
