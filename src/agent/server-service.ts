/** The local server as its service manager runs it: stopped and started by the operator's commands, waited for. */

import { setTimeout as sleep } from 'node:timers/promises';
import { describeEnd, startProcess } from '../host/process.js';
import { DatabaseError } from '../mysql/errors.js';
import type { Link } from '../mysql/links.js';

export interface ServiceOptions {
  /** A login at the local server. @throws DatabaseError */
  readonly link: () => Promise<Link>;
  /** Stop and start the local server, as its service manager does. */
  readonly stop: readonly string[];
  readonly start: readonly string[];
  readonly say: (text: string) => void;
  readonly nowMs: () => number;
}

/** Shutting down flushes; starting may have to recover. */
export const SERVICE_MS = 900_000;
const SERVICE_OUTPUT_BYTES = 4_000;
/** After its start command has returned. */
const UP_MS = 120_000;
const UP_POLL_MS = 500;

/** Nothing is done where it is stopped already. @throws Error where it still answers */
export const stopServer = async (options: ServiceOptions): Promise<void> => {
  if (await isDown(options)) return;
  await runService(options, 'stop');
  if (!(await isDown(options)))
    throw new Error(`the database still answers after ${options.stop.join(' ')}; is that its service? See rejoin.stop`);
};

/** Nothing is done where it runs already. @throws Error where it does not come up, or has no login for us */
export const startServer = async (options: ServiceOptions): Promise<Link> => {
  if (await isDown(options)) await runService(options, 'start');
  const endsAtMs = options.nowMs() + UP_MS;
  for (;;) {
    try {
      return await options.link();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const denied = error instanceof DatabaseError && error.kind === 'denied';
      if (denied) throw new Error(`the accounts are the active's now, and it has none like this node's: ${why}`);
      if (options.nowMs() > endsAtMs) throw new Error(`the database does not come up: ${why}; see its error log`);
      await sleep(UP_POLL_MS);
    }
  }
};

const isDown = async ({ link }: ServiceOptions): Promise<boolean> => {
  try {
    await link();
    return false;
  } catch (error) {
    return error instanceof DatabaseError && error.kind === 'down';
  }
};

const runService = async (options: ServiceOptions, key: 'stop' | 'start'): Promise<void> => {
  const { nowMs, say, [key]: command } = options;
  say(`  ${command.join(' ')}`);
  const request = { command, env: {}, timeoutMs: SERVICE_MS, outputLimitBytes: SERVICE_OUTPUT_BYTES, nowMs };
  const result = await startProcess(request).ended;
  if (result.end.kind === 'exited' && result.end.code === 0) return;
  throw new Error(`${command.join(' ')} (rejoin.${key}): ${describeEnd(result, SERVICE_MS)}`);
};
