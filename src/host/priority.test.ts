import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { titled } from '../../test/titled.js';

const PRIORITY = join(import.meta.dirname, '..', '..', 'dist', 'src', 'host', 'priority.js');

/** Goes first, tells what came of it, the policy of each of its threads, and that of a child and of a later thread. */
const PROGRAM = `
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
const { goFirst } = await import(${JSON.stringify(PRIORITY)});
const policies = () => readdirSync('/proc/self/task').map((thread) => [thread, policyOf(thread)]);
const policyOf = (thread) => execFileSync('chrt', ['--pid', thread]).toString().split('\\n')[0].split(': ')[1];
const refused = await goFirst();
const threads = policies();
const child = execFileSync('sh', ['-c', 'chrt --pid $$']).toString().split('\\n')[0].split(': ')[1];
const worker = new Worker('setInterval(() => undefined, 1000)', { eval: true });
await new Promise((resolve) => worker.once('online', resolve));
const known = new Set(threads.map(([thread]) => thread));
const later = policies().filter(([thread]) => !known.has(thread));
console.log(JSON.stringify({ refused, threads: threads.map(([, policy]) => policy), child, later: later.map(([, policy]) => policy) }));
process.exit(0);
`;

interface Told {
  readonly refused: string | null;
  readonly threads: readonly string[];
  readonly child: string;
  readonly later: readonly string[];
}

const tell = async (prefix: readonly string[]): Promise<Told> => {
  const [command = '', ...args] = [...prefix, process.execPath, '--input-type=module', '-e', PROGRAM];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return JSON.parse(line) as Told;
};

const realTimeAllowed = spawnSync('chrt', ['--rr', '1', 'true']).status === 0;

describe('going first', () => {
  const title = titled(
    'runs all of its threads in real time, and nothing that it starts',
    realTimeAllowed,
    'CAP_SYS_NICE',
  );
  it.skipIf(!realTimeAllowed)(title, async () => {
    const { refused, threads, child, later } = await tell([]);
    expect(refused).toBeNull();
    expect(threads.length).toBeGreaterThan(4);
    expect(new Set(threads)).toEqual(new Set(['SCHED_RR|SCHED_RESET_ON_FORK']));
    expect(child).toBe('SCHED_OTHER');
    expect(later.length).toBeGreaterThan(0);
    expect(new Set(later)).toEqual(new Set(['SCHED_OTHER']));
  });

  it('says what allows it where it may not, and goes on', async () => {
    const unprivileged = ['setpriv', '--bounding-set=-sys_nice', '--inh-caps=-sys_nice', '--', 'prlimit', '--rtprio=0'];
    const { refused, threads } = await tell(process.getuid?.() === 0 ? unprivileged : ['prlimit', '--rtprio=0']);
    expect(refused).toMatch(/EPERM.*LimitRTPRIO=1/s);
    expect(new Set(threads)).toEqual(new Set(['SCHED_OTHER']));
  });
});
