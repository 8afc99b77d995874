/** What is answered to whom, out of states of a group. */

import { describe, expect, test } from 'vitest';
import { answerTo, HTTP_PATHS, type HttpFacts, knownPath } from './http-answer.js';
import { allWell, STATES } from './status.fixture.js';
import type { NodeStatus, Status } from './status.js';

const NOW = 90_000_000;

const factsOf = (status: Status, changes: Partial<HttpFacts> = {}): HttpFacts => ({
  group: status.group,
  node: status.node,
  now: () => NOW,
  servesUntil: () => 0,
  status: async () => status,
  metrics: async () => 'vipd_active 1\n',
  ...changes,
});

const standby = STATES['all-well-standby'];
const asStandby = (changes: Partial<NodeStatus>): Status => ({
  ...standby,
  nodes: standby.nodes.map((node) => (node.self ? { ...node, ...changes } : node)),
});
const code = async (path: string, status: Status, changes: Partial<HttpFacts> = {}): Promise<number> =>
  (await answerTo(path, factsOf(status, changes))).code;

describe('/active', () => {
  test('is 200 until the lease has run out, and tells what is left', async () => {
    const serving = { servesUntil: () => NOW + 275 };
    const answer = await answerTo('/active', factsOf(allWell, serving));
    expect(answer.code).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({ group: 'orders', node: 'db1', active: true, leaseLeftMs: 275 });
  });

  test('is 503 at the instant of the end, whatever the agent last said', async () => {
    expect(await code('/active', allWell, { servesUntil: () => NOW + 0.01 })).toBe(200);
    expect(await code('/active', allWell, { servesUntil: () => NOW })).toBe(503);
    expect(await code('/active', allWell, { servesUntil: () => NOW - 1 })).toBe(503);
  });

  test('asks the agent nothing, so one that hangs is not active for longer than its lease', async () => {
    const hangs = { status: () => new Promise<never>(() => undefined) };
    expect(await code('/active', allWell, { ...hangs, servesUntil: () => NOW + 1 })).toBe(200);
    expect(await code('/active', allWell, hangs)).toBe(503);
  });
});

describe('/standby', () => {
  test.each([
    ['a healthy standby that replicates', standby, 200, ''],
    ['the active', allWell, 503, 'it is active'],
    ['one that takes over', STATES.promoting, 503, 'it is promoting'],
    ['one whose database fails', asStandby({ health: 'failed', cause: 'database down' }), 503, 'database down'],
    ['one that is still rising', asStandby({ health: 'unknown', cause: '' }), 503, 'unknown'],
    [
      'one that does not replicate',
      asStandby({ replication: { running: false, io: 'connecting', sql: 'running', error: '' } }),
      503,
      'io connecting',
    ],
  ] as const)('%s', async (_what, status, expected, why) => {
    const answer = await answerTo('/standby', factsOf(status));
    expect(answer.code).toBe(expected);
    expect(JSON.parse(answer.body)).toMatchObject({ standby: expected === 200, why: expect.stringContaining(why) });
  });

  test.each([
    [12, '1s', 200],
    [1_000, '1s', 200],
    [1_001, '1s', 503],
    [null, '1s', 503],
    [null, '0s', 503],
  ] as const)('%s ms behind, with max_lag=%s', async (lagMs, maxLag, expected) => {
    expect(await code(`/standby?max_lag=${maxLag}`, asStandby({ lagMs }))).toBe(expected);
  });

  test('a max_lag that cannot be read is an error and not a yes', async () => {
    const answer = await answerTo('/standby?max_lag=10', factsOf(standby));
    expect(answer).toMatchObject({ code: 400, body: 'max_lag: "10" has no unit; write 10ms\n' });
  });
});

test.each([
  ['all well', allWell, 200, { health: 'ok', role: 'active' }],
  ['failed', STATES['much-wrong'], 200, { health: 'ok' }],
  ['failed here', asStandby({ health: 'failed', cause: 'disk: exit status 2' }), 503, { cause: 'disk: exit status 2' }],
  ['not known yet', asStandby({ health: 'unknown' }), 503, { health: 'unknown' }],
] as const)('/health tells of this node alone: %s', async (_what, status, expected, body) => {
  const answer = await answerTo('/health', factsOf(status));
  expect(answer.code).toBe(expected);
  expect(JSON.parse(answer.body)).toMatchObject(body);
});

test('/status is what vipctl status --json prints, without what health scripts printed', async () => {
  const wrong = STATES['much-wrong'];
  const answer = await answerTo('/status', factsOf(wrong));
  const told = JSON.parse(answer.body);
  expect(told).toMatchObject({ format: 1, nodes: wrong.nodes.map(({ name }) => ({ name })) });
  expect(told.problems.length).toBeGreaterThan(3);
  expect(wrong.checks.some(({ output }) => output !== '')).toBe(true);
  expect(told.checks.map(({ output }: { output: string }) => output)).toEqual(wrong.checks.map(() => ''));
});

test.each(HTTP_PATHS.filter((path) => path !== '/active'))(
  '%s is 503 with the reason where the agent hangs',
  async (path) => {
    const silent = { status: () => Promise.reject(new Error('the agent has not answered')) };
    const answer = await answerTo(path, factsOf(allWell, silent));
    expect(answer.code).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ node: 'db1', error: 'the agent has not answered' });
  },
);

describe('a target', () => {
  test.each(['/', '', '*', '//', '/active/', '/ACTIVE', '/__proto__', '/constructor', '/%', 'http://[', '\0'])(
    '%j is not one of ours',
    async (target) => {
      expect(knownPath(target)).toBe('other');
      expect(await code(target, allWell)).toBe(404);
    },
  );

  test('may be absolute, as a proxy sends it (RFC 9112, 3.2.2)', async () => {
    expect(knownPath('http://db1:8694/health?x=1')).toBe('/health');
    expect(await code('http://db1:8694/health', allWell)).toBe(200);
  });
});
