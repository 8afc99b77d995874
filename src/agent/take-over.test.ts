import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ConfigFixture, createConfigFixture } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import type { VipdConfig } from '../config/types.js';
import { startNode } from '../core/start.js';
import type { NodeState } from '../core/state.js';
import { hungReader } from '../host/disk-reader.fixture.js';
import { createDiskReader } from '../host/disk-reader.js';
import { coreConfigOf, type InForce, loadFrom, type RunningParts, takeOver } from './take-over.js';

let fixture: ConfigFixture;
let before: InForce;
let after: VipdConfig;
let standby: NodeState;

const load = (yaml: string): VipdConfig => {
  const result = loadConfig(fixture.write('vipd.yaml', yaml), { hostName: 'db1' });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.config;
};

beforeAll(() => {
  fixture = createConfigFixture();
  const config = load(fixture.agentYaml);
  const vip = '- { address: 10.99.0.100/24, interface: eth0 }';
  after = load(fixture.agentYaml.replace(vip, `${vip}\n  ${vip.replace('100/24', '101/24')}`));
  before = { config, credentials: { user: 'vipd', password: '' }, hookPhases: [] };
  standby = { ...startNode(coreConfigOf(config, []), null, 0).state, role: 'standby' };
});
afterAll(() => fixture.remove());

/** The parts of an agent, and what was asked of them. */
const running = (more: Partial<RunningParts> = {}): { readonly parts: RunningParts; readonly asked: string[] } => {
  const asked: string[] = [];
  const note = (what: string) => (): void => void asked.push(what);
  const parts: RunningParts = {
    link: { setKeys: note('keys'), signsWithout: () => null },
    channel: { setKeys: note('keys of the channel') },
    address: { mayAdd: async () => note('who answers')(), change: async () => [`eth${asked.push('VIPs')}`] },
    database: { reconfigure: note('database') },
    checks: { change: note('checks') },
    target: { socket: fixture.path('no-server') },
    disk: createDiskReader(),
    state: () => standby,
    startSalvage: note('salvage'),
    emit: ({ type }) => note(type)(),
    ...more,
  };
  return { parts, asked };
};

it('asks who answers for what is new first, then takes over all', async () => {
  const { parts, asked } = running();
  expect((await takeOver(parts, before, after)).config).toBe(after);
  expect(asked.slice(0, 2)).toEqual(['who answers', 'VIPs']);
  expect(asked).toEqual(expect.arrayContaining(['keys', 'keys of the channel', 'database', 'checks', 'reconfigured']));
});

it.each([
  ['promotion', { role: 'promoting' }],
  ['switchover away', { role: 'active', handoff: { phase: 'draining' } }],
])('changes nothing where a %s began meanwhile', async (_, move) => {
  let state = standby;
  const { parts, asked } = running({
    state: () => state,
    address: {
      mayAdd: async () => {
        state = { ...standby, ...move } as NodeState;
      },
      change: () => Promise.reject(new Error('was asked for')),
    },
  });
  await expect(takeOver(parts, before, after)).rejects.toThrow(/^this node is (promoting|handing-off) since/);
  expect(asked).toEqual([]);
});

it('is over where a disk does not answer, and has changed nothing', async () => {
  const { disk } = hungReader();
  const { parts, asked } = running({ disk });
  const path = fixture.path('vipd.yaml');
  const loading = loadFrom(disk, { path, load: () => expect.fail('was read on the loop') });
  await Promise.all([
    expect(takeOver(parts, before, after)).rejects.toThrow(/reading .*mysql\.cnf: .* within 2000 ms/),
    expect(loading).rejects.toThrow(/reading .*vipd\.yaml: .* within 2000 ms/),
  ]);
  expect(asked).toEqual([]);
});
