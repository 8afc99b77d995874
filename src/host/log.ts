/** The program's log: entries for systemd's journal, short lines for a terminal, JSON lines for any other reader of standard output. */

import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { isJournalStream, journalDestination } from './journald.js';
import { createLineWriter } from './line-writer.js';
import { formatLine } from './log-line.js';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What waits for a reader of standard output that has stopped reading (a stuck journald); more is dropped. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const STDOUT = 1;

/** Fields that are never shown, at the top of an entry and one level below it. */
const SECRET_FIELDS = ['password', 'passwd', 'passphrase', 'secret', 'token', 'authorization', 'psk', 'key', 'keys'];

/** Who reads standard output. */
export type LogReader = 'terminal' | 'journal' | 'program';

/** By isatty(3), and by what the service manager says of it. */
export const standardOutputReader = (env: NodeJS.ProcessEnv): LogReader => {
  if (process.stdout.isTTY) return 'terminal';
  return isJournalStream(env, STDOUT) ? 'journal' : 'program';
};

export interface LogOptions {
  readonly level: LogLevel;
  readonly reader: LogReader;
  /** Where the lines go; absent: standard output. */
  readonly destination?: DestinationStream;
}

/** A pino logger. Writing never blocks and never fails: a reader that is stuck, or a full disk, costs log lines and not the lease. */
export const createLogger = ({ level, reader, destination = standardOutput() }: LogOptions): Logger => {
  const options: LoggerOptions = {
    level,
    // The process id and host name, which pino adds by itself, are the service manager's to tell.
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[hidden]' },
  };
  return pino(options, forReader(reader, destination));
};

const standardOutput = (): DestinationStream => {
  const writer = createLineWriter(STDOUT, MAX_BUFFERED_BYTES);
  process.on('exit', writer.flush);
  return writer;
};

const forReader = (reader: LogReader, destination: DestinationStream): DestinationStream => {
  switch (reader) {
    case 'terminal':
      return forTerminal(destination);
    case 'journal':
      return journalDestination(destination);
    case 'program':
      return destination;
  }
};

const forTerminal = (destination: DestinationStream): DestinationStream => ({
  write: (line) => destination.write(formatLine(line)),
});
