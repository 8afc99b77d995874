/**
 * Runs this program again in namespaces of its own, so that a lab adds nothing to the host and leaves nothing on it.
 *
 * Network, mount and process namespaces end with their last process. The kernel kills them all when the program that
 * was started from the outside dies, however it dies: setpriv(1) asks for that between us and unshare(1), and
 * unshare's own --kill-child between it and the first process inside.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Everything of a lab lies in here: a tmpfs that only the sandbox sees. */
export const LAB_ROOT = '/run/vipd-lab';

const MARK = 'VIPD_LAB_SANDBOX';

/**
 * The first process inside. It stays a shell, since a first process has to collect the orphans, which Node does not.
 * ip-netns(8) needs /run/netns to be a mount that is not shared with the host; sysfs shows the network namespace that
 * mounted it.
 */
const INIT = `
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/uts ${LAB_ROOT}/tmp
mount -t sysfs sysfs /sys
set +e
"$@"
exit $?
`;

const UNSHARE = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

export const insideSandbox = (): boolean => process.env[MARK] === '1';

export interface SandboxOptions {
  /** It is to outlive the starting program: own session, no terminal, output into this file descriptor. */
  readonly detachedInto?: number;
}

/** Start `argv` inside. */
export const startInSandbox = (argv: readonly string[], options: SandboxOptions = {}): ChildProcess => {
  const detached = options.detachedInto !== undefined;
  const dieWithUs = detached ? [] : ['setpriv', '--pdeathsig', 'KILL'];
  const [command = 'unshare', ...args] = [...dieWithUs, ...UNSHARE, 'sh', '-c', INIT, 'vipd-lab', ...argv];
  return spawn(command, args, {
    stdio: detached ? ['ignore', options.detachedInto, options.detachedInto] : 'inherit',
    detached,
    env: { ...process.env, [MARK]: '1', TMPDIR: `${LAB_ROOT}/tmp` },
  });
};

/** For the head of a program: true inside; outside, runs the same program inside, and ends with its exit status. */
export const enterSandbox = async (): Promise<void> => {
  if (insideSandbox()) return;
  if (process.getuid?.() !== 0) {
    throw new Error('the lab makes network namespaces, which needs root: run it as root, or with sudo');
  }
  const child = startInSandbox([process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  // Ctrl-C reaches the program inside by itself, since it has the same terminal; we wait for how it ends.
  process.on('SIGINT', () => undefined);
  // unshare(1) ignores SIGTERM while it waits; killed, it takes all that is inside with it.
  process.on('SIGTERM', () => child.kill('SIGKILL'));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (signal !== null) process.stderr.write(`the lab was ended by ${signal}\n`);
  process.exit(code ?? 1);
};
