/** The lab that scripts/lab leaves running: found again by its record, asked over its socket, ended by one kill. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { LabOptions } from './host-files.js';
import { LAB_SERVER } from './programs.js';
import { startInSandbox } from './sandbox.js';
import { type LabReply, type LabRequest, SERVER_SOCKET } from './server-protocol.js';
import { on, type Place } from './topology.js';
import { type Seen, waitFor, waitForValue } from './wait.js';

const RECORD = '/run/vipd-lab.json';
const LOG = '/run/vipd-lab.log';

const UP_DEADLINE_MS = 60_000;
const DOWN_DEADLINE_MS = 20_000;

/** The first process of the lab, by its pid on the host, and its namespace, since pids are used again. */
export interface Running {
  readonly pid: number;
  readonly namespace: string;
}

const namespaceOf = (pid: number): string | undefined => {
  try {
    // A dead process that nobody has waited for has no network any more, though it still has a pid.
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
};

/** Undefined: no lab runs. */
export const findLab = (): Running | undefined => {
  if (!existsSync(RECORD)) return undefined;
  const record = JSON.parse(readFileSync(RECORD, 'utf8')) as Running;
  return namespaceOf(record.pid) === record.namespace ? record : undefined;
};

/** The one child of unshare(1) is the lab's first process. */
const firstProcess = (unsharePid: number): Seen<number> => {
  const children = readFileSync(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8').trim();
  const pid = Number(children.split(' ')[0]);
  return pid > 0 ? { done: true, value: pid } : { done: false, seen: 'no first process' };
};

export const upLab = async (options: LabOptions): Promise<Running> => {
  const log = openSync(LOG, 'w', 0o600);
  const child = startInSandbox([process.execPath, LAB_SERVER, JSON.stringify(options)], { detachedInto: log });
  closeSync(log);
  child.unref();
  try {
    const pid = await waitForValue(() => firstProcess(child.pid ?? 0), 'the sandbox starts', UP_DEADLINE_MS);
    const running: Running = { pid, namespace: namespaceOf(pid) ?? '' };
    writeFileSync(RECORD, JSON.stringify(running), { mode: 0o600 });
    const ready = waitFor(
      async () => (await askLab(running, { request: 'status' })).ok,
      'the lab answers',
      UP_DEADLINE_MS,
    );
    const died = once(child, 'exit').then(() => Promise.reject(new Error('its process ended')));
    await Promise.race([ready, died]);
    return running;
  } catch (error) {
    child.kill('SIGKILL');
    const said = readFileSync(LOG, 'utf8');
    removeRecord();
    throw new Error(`the lab did not come up: ${error instanceof Error ? error.message : error}\n${said}`);
  }
};

/** Ask the lab's process. */
export const askLab = (running: Running, request: LabRequest): Promise<LabReply> =>
  new Promise((resolve, reject) => {
    // The socket is in the lab's own /run; /proc/PID/root is the way into another mount namespace.
    const socket = connect(`/proc/${running.pid}/root${SERVER_SOCKET}`);
    socket.once('error', (error) => reject(new Error(`the lab does not answer: ${error.message}`)));
    socket.once('close', () => reject(new Error('the lab closed the connection without an answer')));
    createInterface({ input: socket })
      .on('error', () => undefined)
      .once('line', (line) => resolve(JSON.parse(line) as LabReply));
    socket.write(`${JSON.stringify(request)}\n`);
  });

/** Run a command on a host of the lab with our terminal; answers its exit status. */
export const execInLab = (running: Running, place: Place, argv: readonly string[]): number => {
  const enter = ['--target', String(running.pid), '--mount', '--pid', '--', ...on(place)];
  return spawnSync('nsenter', [...enter, ...argv], { stdio: 'inherit' }).status ?? 1;
};

/** The kernel ends every process of a namespace with its first one, and the network with its last. */
export const downLab = async (running: Running): Promise<void> => {
  process.kill(running.pid, 'SIGKILL');
  await waitFor(() => namespaceOf(running.pid) !== running.namespace, 'the lab ends', DOWN_DEADLINE_MS);
  removeRecord();
};

export const removeRecord = (): void => {
  rmSync(RECORD, { force: true });
  rmSync(LOG, { force: true });
};
