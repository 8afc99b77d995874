/**
 * A client: a program on a client host that appends to registers and reads them through the VIP, work by work.
 *
 * A line of JSON on its standard input begins a work, an empty one ends it. It prints a line of JSON for each operation,
 * and an empty one once the last of a work has ended.
 */

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2';
import { createRandom, type Random } from '../sim/random.js';
import type { Work } from './clients.js';
import { type AppendOutcome, type Operation, VALUE_END, valuesOf } from './history.js';
import { type Answer, openSession, type Session } from './session.js';

const PAUSE_MS = { from: 10, to: 50 } as const;
const READ_PROBABILITY = 0.2;
/** Now and then on a fresh connection: it goes to whoever has the VIP now. */
const RECONNECT_PROBABILITY = 0.1;

const APPEND = 'UPDATE lab.registers SET appended = CONCAT(appended, ?) WHERE id = ?';
const READ = 'SELECT appended FROM lab.registers WHERE id = ?';

const targetFile = process.argv[2];
if (targetFile === undefined) throw new Error('usage: client TARGET-FILE');
const target = JSON.parse(readFileSync(targetFile, 'utf8')) as ConnectionOptions;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** One session after another, until the work is stopped. */
const work = async (name: string, registers: readonly number[], random: Random, stopped: AbortSignal) => {
  let session: Session | null = null;
  for (let n = 1; !stopped.aborted; n += 1) {
    await sleep(random.between(PAUSE_MS.from, PAUSE_MS.to));
    const register = random.pick(registers);
    const reads = random.chance(READ_PROBABILITY);
    if (random.chance(RECONNECT_PROBABILITY)) {
      session?.end();
      session = null;
    }
    const begin = now();
    if (session === null) {
      const opened = await openSession(target);
      if (typeof opened !== 'string') session = opened;
      else if (!reads) report(appended(register, `${name}.${n}`, begin, { kind: 'refused', error: opened }));
    }
    if (session === null) continue;
    const operation = reads
      ? shown(register, begin, await session.ask(READ, [register]))
      : appended(register, `${name}.${n}`, begin, await session.ask(APPEND, [`${name}.${n}${VALUE_END}`, register]));
    if (operation !== null) report(operation);
    if (operation === null || (operation.kind === 'append' && operation.outcome === 'indeterminate')) session = null;
  }
  session?.end();
};

const report = (operation: Operation): void => {
  process.stdout.write(`${JSON.stringify(operation)}\n`);
};

const appended = (register: number, value: string, begin: number, answer: Answer): Operation => {
  const tell = (outcome: AppendOutcome, error: string): Operation => ({
    kind: 'append',
    register,
    value,
    begin,
    end: now(),
    outcome,
    error,
  });
  switch (answer.kind) {
    case 'answered': {
      const { affectedRows } = answer.result as { readonly affectedRows: number };
      return affectedRows === 1 ? tell('acknowledged', '') : tell('failed', 'there is no such register');
    }
    case 'refused':
      return tell('failed', answer.error);
    case 'unknown':
      return tell('indeterminate', answer.error);
    default:
      return answer satisfies never;
  }
};

/** Null: it tells nothing, and the session is of no use. */
const shown = (register: number, begin: number, answer: Answer): Operation | null => {
  if (answer.kind !== 'answered') return null;
  const [row] = answer.result as ReadonlyArray<{ readonly appended: string }>;
  return { kind: 'read', register, begin, end: now(), seen: valuesOf(row?.appended ?? '') };
};

let stop = new AbortController();

const begin = async ({ registers, names, seed }: Work): Promise<void> => {
  stop = new AbortController();
  await Promise.all(names.map((name, index) => work(name, registers, createRandom(seed, index), stop.signal)));
  process.stdout.write('\n');
};

for await (const line of createInterface({ input: process.stdin })) {
  if (line === '') stop.abort();
  else void begin(JSON.parse(line) as Work);
}
// mysql2 ends sockets politely, and one to a dead host would keep us for minutes.
process.exit(0);
