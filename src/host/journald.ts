/** Writes log lines into systemd's journal with a priority and fields, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL). */

import { fstatSync } from 'node:fs';
import type { DestinationStream } from 'pino';
import { AF_UNIX, openSocket, SOCK_DGRAM, sendTo } from './libc.js';
import { parseEntry, showError, showValue } from './log-line.js';
import { unixAddress } from './unix-address.js';

const SOCKET = '/run/systemd/journal/socket';
const IDENTIFIER = 'vipd';
/** syslog(3), by the log's own levels. */
const PRIORITIES: Readonly<Record<string, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7, trace: 7 };
const INFO = 6;
/** journald takes names of up to 64 of these; those that begin with an underscore are its own (systemd.journal-fields(7)). */
const MAX_NAME_CHARS = 64;

/** systemd.exec(5), JOURNAL_STREAM: whether a descriptor is still the stream to the journal that the service manager opened. */
export const isJournalStream = (env: Readonly<Record<string, string | undefined>>, fd: number): boolean => {
  const { JOURNAL_STREAM: stream = '' } = env;
  if (stream === '') return false;
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
};

/** Told by fields alone; whatever else a line has is in its message as well, which is all that most readers see. */
const FIELDS_ALONE: readonly string[] = ['group', 'term', 'role', 'kind', 'cause'];

/** The line of a log as the fields of one journal entry; null: it is no JSON object. */
export const journalFields = (line: string): ReadonlyMap<string, string> | null => {
  const entry = parseEntry(line);
  if (entry === null) return null;
  const { level, time: _journalsOwn, msg, err, ...others } = entry;
  const told = Object.entries(others)
    .filter(([name]) => !FIELDS_ALONE.includes(name))
    .map(([name, value]) => ` ${name}=${showValue(value)}`);
  const fields = new Map([
    ['MESSAGE', `${showValue(msg ?? '')}${told.join('')}${showError(err)}`],
    ['PRIORITY', String(PRIORITIES[String(level)] ?? INFO)],
    ['SYSLOG_IDENTIFIER', IDENTIFIER],
  ]);
  for (const [name, value] of Object.entries(others)) {
    const field = name
      .replaceAll(/[^A-Za-z0-9]+/g, '_')
      .toUpperCase()
      .slice(0, MAX_NAME_CHARS);
    if (/^[A-Z]/.test(field) && !fields.has(field)) fields.set(field, showValue(value));
  }
  return fields;
};

/** A value with a line break goes with its length before it, a 64-bit little-endian number. */
export const encodeFields = (fields: ReadonlyMap<string, string>): Buffer =>
  Buffer.concat(
    [...fields].map(([name, value]) => {
      if (!value.includes('\n')) return Buffer.from(`${name}=${value}\n`);
      const bytes = Buffer.from(value);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(bytes.length));
      return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')]);
    }),
  );

/**
 * Never waits: what the journal does not take at once (its queue is full, it is being restarted, the entry is larger than a
 * datagram) goes to `otherwise`, as it came.
 */
export const journalDestination = (otherwise: DestinationStream, socket = SOCKET): DestinationStream => {
  const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0, `opening a socket to the journal at ${socket}`);
  const address = unixAddress(socket);
  return {
    write: (line) => {
      const fields = journalFields(line);
      if (fields === null || !sent(fd, encodeFields(fields), address)) otherwise.write(line);
    },
  };
};

const sent = (fd: number, data: Buffer, address: Uint8Array): boolean => {
  try {
    sendTo(fd, data, address, 'writing to the journal');
    return true;
  } catch {
    return false;
  }
};
