import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { activeNode, certainChanges, changesOf, movesIn, rowsOf, type Write } from '../lab/checks.js';
import { createDaemon } from '../lab/daemon.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { ROOT } from '../lab/programs.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { holdsVip, PATIENCE_MS, untilActive, untilPair, untilSaid } from '../survival/ground.js';
import { askHttp, HTTP_PORT, urlOf, WITH_HTTP } from './ground.js';

const WATCHER = join(ROOT, 'dist', 'test', 'http', 'active-watcher.js');
const FLOOD = join(ROOT, 'dist', 'test', 'http', 'flood.js');
const FLOOD_SECONDS = 5;
const SQUATTER = `require('node:net').createServer((s) => s.end('HTTP/1.0 200 OK\\r\\n\\r\\n')).listen(${HTTP_PORT})`;
/** What a flood may cost the main thread, by what it spends without: four statuses a second are less than this. */
const AT_MOST = 1.75;

inSandbox('test/http/http.lab.test.ts', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab(WITH_HTTP);
    await untilPair(lab);
  });
  afterAll(() => lab.destroy());

  const untilAnswers = (node: NodeName, path: string, code: number): Promise<void> =>
    waitFor(
      async () => {
        const answer = await askHttp(lab, node, path);
        return answer.code === code || `${answer.code}: ${answer.body}`;
      },
      `${path} of ${node} is ${code}`,
      PATIENCE_MS,
    );

  /** Both ends of the pair, once it has settled. */
  const checkAgreement = async (active: NodeName): Promise<void> => {
    await untilActive(lab, active);
    await untilPair(lab);
    for (const node of NODES) {
      const here = node === active;
      await untilAnswers(node, '/active', here ? 200 : 503);
      await untilAnswers(node, '/standby?max_lag=10s', here ? 503 : 200);
      await untilAnswers(node, '/health', 200);
      expect(await holdsVip(lab, node)).toBe(here);
    }
  };

  it('tells the same as the control socket', async () => {
    for (const node of NODES) {
      const { code, body } = await askHttp(lab, node, '/status');
      expect(code).toBe(200);
      const told = JSON.parse(body);
      const printed = JSON.parse((await lab.vipctl(node, ['status', '--json'])).stdout);
      expect(Object.keys(told)).toEqual(Object.keys(printed));
      expect(told).toMatchObject({ node, term: printed.term, active: printed.active, http: { listening: true } });
    }
  });

  it('agrees with who holds the VIP through every kind of move, and at no instant are two active', async () => {
    const watcher = createDaemon({
      name: 'watcher of /active',
      host: 'client',
      argv: [process.execPath, WATCHER, String(HTTP_PORT)],
      logFile: join(lab.directory, 'watcher.txt'),
    });
    watcher.start();
    const load = lab.load();
    let active = await activeNode(lab);
    await checkAgreement(active);

    expect(await lab.vipctl(active, ['switchover'])).toMatchObject({ status: 0 });
    active = peerOf(active);
    await checkAgreement(active);

    await lab.database[active].stop('SIGKILL');
    await untilActive(lab, peerOf(active));
    await untilAnswers(active, '/health', 503);
    await lab.database[active].start();
    active = peerOf(active);
    await checkAgreement(active);

    // A stopped agent answers nothing; woken, it must not say what it would have said before.
    lab.agent[active].signal('SIGSTOP');
    const next = peerOf(active);
    await waitFor(async () => (await lab.status(next)).active === next, `${next} has taken over`, PATIENCE_MS);
    lab.agent[active].signal('SIGCONT');
    active = next;
    await checkAgreement(active);

    await lab.agent[active].stop('SIGKILL');
    await untilActive(lab, peerOf(active));
    lab.agent[active].start();
    active = peerOf(active);
    await checkAgreement(active);

    await load.stop();
    await watcher.stop('SIGKILL');
    const said = readFileSync(watcher.logFile, 'utf8')
      .split('\n')
      .filter((line) => / 200 /.test(line));
    const answers = said.map((line): Write => {
      const [node, , begin, end] = line.split(' ');
      return { node: node === 'db1' ? 'db1' : 'db2', begin: Number(begin), end: Number(end) };
    });
    const rows = await rowsOf(lab, active);
    const writes = load.fresh.attempts.flatMap(({ id, acknowledged, begin, end }): readonly Write[] => {
      const node = rows.get(id)?.node;
      return acknowledged && node !== undefined ? [{ node, begin, end }] : [];
    });
    const journals = { db1: await lab.journal('db1'), db2: await lab.journal('db2') };
    const moves = changesOf(movesIn(journals));
    expect(moves).toBe(4);
    expect(certainChanges(answers)).toBe(moves);
    // Whoever took a write through the VIP was not denied by the other's 200 before or after it.
    expect(writes.length).toBeGreaterThan(100);
    expect(certainChanges([...answers, ...writes])).toBe(moves);
  });

  /** Processor time of each thread of a process, in ticks (proc(5), /proc/pid/stat: fields 14 and 15). */
  const threadTimes = (pid: number): ReadonlyMap<number, number> =>
    new Map(
      readdirSync(`/proc/${pid}/task`).map((thread) => {
        const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return [Number(thread), Number(fields[11]) + Number(fields[12])];
      }),
    );

  /** What its main thread spent meanwhile, and the busiest of the others. */
  const spentDuring = async (pid: number, act: () => Promise<unknown>): Promise<{ main: number; other: number }> => {
    const before = threadTimes(pid);
    await act();
    const spent = [...threadTimes(pid)].map(([thread, ticks]) => [thread, ticks - (before.get(thread) ?? 0)] as const);
    const others = spent.filter(([thread]) => thread !== pid).map(([, ticks]) => ticks);
    return { main: spent.find(([thread]) => thread === pid)?.[1] ?? Number.NaN, other: Math.max(...others) };
  };

  it.each(['/metrics', '/active', '/status'])('a flood of %s costs its own thread, and moves nothing', async (path) => {
    const active = await activeNode(lab);
    const { pid } = lab.agent[active];
    const before = await lab.status(active);
    const quiet = await spentDuring(pid, () => sleep(FLOOD_SECONDS * 1_000));
    let answers = 0;
    const flooded = await spentDuring(pid, async () => {
      const { stdout } = await lab.exec(active, [process.execPath, FLOOD, urlOf(active, path), String(FLOOD_SECONDS)]);
      answers = Number(stdout);
    });
    expect(answers).toBeGreaterThan(100);
    expect(flooded.other).toBeGreaterThan(quiet.other);
    expect(flooded.main).toBeLessThan(AT_MOST * quiet.main);
    const after = await lab.status(active);
    expect(after).toMatchObject({ term: before.term, active: before.active, owner: before.owner });
    expect(after.http).toMatchObject({ listening: true });
  });

  it('a port that is taken costs the HTTP server, and not the agent', async () => {
    const standby = peerOf(await activeNode(lab));
    await lab.agent[standby].stop();
    const squatter = createDaemon({
      name: 'squatter',
      host: standby,
      argv: [process.execPath, '--eval', SQUATTER],
      logFile: join(lab.directory, 'squatter.txt'),
    });
    squatter.start();
    await waitFor(async () => (await askHttp(lab, standby, '/')).code !== 0, 'the port is taken', PATIENCE_MS);
    lab.agent[standby].start();
    await untilSaid(lab.agent[standby], /the HTTP server does not listen on 0\.0\.0\.0:9694: .*EADDRINUSE/);
    await untilPair(lab);
    expect((await lab.status(standby)).http).toMatchObject({
      listening: false,
      error: expect.stringMatching(/EADDRINUSE/),
    });
    expect((await lab.vipctl(standby, ['status'])).stdout).toContain('the HTTP server does not listen');
    await squatter.stop();
    await untilAnswers(standby, '/health', 200);
    expect((await lab.status(standby)).http).toEqual({ listen: `0.0.0.0:${HTTP_PORT}`, listening: true, error: '' });
  });
});
