/** Has the server's own program print binary or relay logs as statements, and hands them on piece by piece. */

import { tmpdir } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { startProgram } from './salvage-program.js';

export interface PrintJob {
  /** A name to find in PATH. */
  readonly program: string;
  /** Its options, and the files. */
  readonly args: readonly string[];
  /** Without a byte of output for this long it hangs, as on a frozen disk. */
  readonly stallMs: number;
  /** Default: as much as there is. */
  readonly maxBytes?: number;
  readonly signal: AbortSignal;
}

export interface Printed {
  readonly bytes: number;
  /** Empty: everything was read. */
  readonly problem: string;
  /** It was ended, or ended by a signal: the last statement may be cut off, and must not be run. */
  readonly cut: boolean;
}

/** What it says when it did not read everything; it ends with exit 0 all the same. */
const INCOMPLETE = /^(?:ERROR|WARNING: Did not reach).*$/m;
/**
 * Rows that do not fit into its memory it puts aside in /tmp, and mariadb-binlog prints as much of them as found room there,
 * with the COMMIT behind it, and ends with exit 0.
 */
const CUT_SHORT = /^\S+: (?:Error (?:writing|reading)|Can't|Out of memory|Disk is full).*$/m;

/**
 * It complains before it prints what is cut short. Of two turns of the loop one at least reads all that had been written to
 * its other pipe when this was printed.
 */
const complaintsRead = async (): Promise<void> => {
  await setImmediate();
  await setImmediate();
};

/** @throws what `take` throws */
export const printLogs = async (job: PrintJob, take: (bytes: Buffer) => Promise<void>): Promise<Printed> => {
  const { program: name, stallMs, maxBytes = Number.POSITIVE_INFINITY, signal } = job;
  const program = startProgram(name, job.args);
  program.child.stdin?.end();
  let bytes = 0;
  let stopped = '';
  const stop = (why: string) => {
    stopped ||= why;
    program.kill();
  };
  const stalled = () => stop(`${name} printed nothing for ${stallMs} ms; the disk of the binary logs may hang`);
  const onAbort = () => stop('the asker is gone');
  signal.addEventListener('abort', onAbort, { once: true });
  let timer = setTimeout(stalled, stallMs);
  try {
    for await (const chunk of program.child.stdout ?? []) {
      clearTimeout(timer);
      bytes += (chunk as Buffer).length;
      if (bytes > maxBytes) {
        stop(`more than ${maxBytes} bytes are missing; rebuild the node from a backup of the dead server instead`);
        break;
      }
      await complaintsRead();
      const complaint = CUT_SHORT.exec(program.complaints())?.[0];
      if (complaint !== undefined) {
        stop(`${complaint}; is ${tmpdir()} of this host full?`);
        break;
      }
      await take(chunk as Buffer);
      timer = setTimeout(stalled, stallMs);
    }
    const end = await program.ended;
    const problem = stopped || end || (INCOMPLETE.exec(program.complaints())?.[0] ?? '');
    return { bytes, problem, cut: stopped !== '' || program.child.signalCode !== null };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    program.kill();
  }
};
