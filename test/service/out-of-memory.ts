/** Lets the kernel end a process for want of memory: in a memory cgroup that is too small for it (cgroups(7), version 1). */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { LAB_ROOT } from '../lab/sandbox.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS } from './pair.js';

const HIERARCHY = join(LAB_ROOT, 'memory');
/** Less than any process of Node asks for within a turn of its loop. */
const LIMIT_BYTES = 1024 * 1024;

/** Where memory is a matter of the one hierarchy of version 2, the machines' systemd is not given it to share out. */
export const mayRunOutOfMemory = (): boolean =>
  spawnSync('unshare', ['--mount', 'mount', '-t', 'cgroup', '-o', 'memory', 'memory', '/mnt']).status === 0;

/** `pid` as the sandbox counts. Resolves when the kernel has killed it. */
export const runOutOfMemory = async (pid: number): Promise<void> => {
  if (!existsSync(HIERARCHY)) {
    mkdirSync(HIERARCHY);
    await run(['mount', '-t', 'cgroup', '-o', 'memory', 'memory', HIERARCHY]);
  }
  const group = join(HIERARCHY, `vipd-lab-${process.pid}-${pid}`);
  mkdirSync(group);
  writeFileSync(join(group, 'memory.limit_in_bytes'), String(LIMIT_BYTES));
  writeFileSync(join(group, 'cgroup.procs'), String(pid));
  const kills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(group, 'memory.oom_control'), 'utf8'))?.[1]);
  await waitFor(() => kills() > 0, `the kernel kills ${pid}`, PATIENCE_MS);
  await waitFor(() => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '', `${pid} is gone`, PATIENCE_MS);
  rmdirSync(group);
};
