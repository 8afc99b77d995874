import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConfigFixture, createConfigFixture } from './config.fixture.js';
import { compareConfigs, compareWitnessConfigs } from './difference.js';
import { loadConfig, loadWitnessConfig } from './load.js';
import type { VipdConfig, WitnessConfig } from './types.js';

let fixture: ConfigFixture;
let inForce: VipdConfig;
let witness: WitnessConfig;

/** The sound file with one part of it written otherwise. */
const changed = (from: string, to: string): VipdConfig => {
  if (!fixture.agentYaml.includes(from)) throw new Error(`the sound file has no ${from}`);
  return load(fixture.agentYaml.replace(from, to));
};
const load = (yaml: string): VipdConfig => {
  const result = loadConfig(fixture.write('vipd.yaml', yaml), { hostName: 'db1' });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.config;
};
const loadWitness = (yaml: string): WitnessConfig => {
  const result = loadWitnessConfig(fixture.write('witness.yaml', yaml));
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.config;
};
const difference = (next: VipdConfig): readonly [live: readonly string[], refused: readonly string[]] => {
  const { live, refused } = compareConfigs(inForce, next);
  return [live, refused.map(({ key }) => key)];
};

beforeAll(() => {
  fixture = createConfigFixture();
  fixture.write('key2', `${Buffer.alloc(32, 'another key').toString('base64')}\n`);
  inForce = load(fixture.agentYaml);
  witness = loadWitness(fixture.witnessYaml);
});
afterAll(() => fixture.remove());

describe('a new configuration of an agent', () => {
  it('that says the same in other words is no difference', () => {
    expect(difference(load(`# a comment\n${fixture.agentYaml}`))).toEqual([[], []]);
  });

  it('takes the limit of the standby VIP over, and names its addresses', () => {
    const standbyVip = (text: string): VipdConfig => changed('mysql:', `standby_vip: { ${text} }\nmysql:`);
    const before = standbyVip('addresses: [10.99.0.111/24], interface: eth0');
    const keys = (text: string): readonly (readonly string[])[] => {
      const { live, refused } = compareConfigs(before, standbyVip(text));
      return [live, refused.map(({ key }) => key)];
    };
    expect(keys('addresses: [10.99.0.111/24], interface: eth0, max_lag: 20s')).toEqual([['standby_vip.max_lag'], []]);
    const addresses = 'standby_vip.addresses, standby_vip.interface';
    expect(keys('addresses: [10.99.0.112/24], interface: eth0')).toEqual([[], [addresses]]);
    expect(difference(before)).toEqual([['standby_vip.max_lag'], [addresses]]);
  });

  it.each([
    ['priority: 100', 'priority: 80', 'nodes.*.priority'],
    ['name: disk', 'name: load', 'checks'],
    ['  - { address: 10.99.0.100/24, interface: eth0 }', '  - { address: 10.99.0.101/24, interface: eth0 }', 'vip'],
    ['gateways: [', 'gateways: [10.99.0.253, ', 'gateways'],
    ['mysql:', 'moves: { cooldown: 70s }\nmysql:', 'moves.cooldown'],
    ['mysql:', 'promotion: { max_loss: any }\nmysql:', 'promotion.max_loss'],
    ['mysql:', 'hooks: { timeout: 3s }\nmysql:', 'hooks.timeout'],
    ['mysql:', 'mysql:\n  kill_on_hang: false', 'mysql.kill_on_hang'],
    ['mysql:', 'mysql:\n  check: { fall: 3 }', 'mysql.check'],
  ])('%s -> %s is taken over while running', (from, to, key) => {
    expect(difference(changed(from, to))).toEqual([[key], []]);
  });

  it.each([
    ['group: orders', 'group: other', 'group'],
    ['node: db1', 'node: db2', 'node'],
    ['address: 10.99.0.2,', 'address: 10.99.0.7,', 'nodes'],
    ['witnesses:\n  - { name: w1, address: 10.99.0.3 }', 'witnesses: []', 'witnesses'],
    ['interval: 100ms', 'interval: 200ms', 'heartbeat.interval'],
    ['dead_after: 3', 'dead_after: 4', 'heartbeat.dead_after'],
    ['interval: 100ms', 'interval: 100ms\n  port: 9000', 'heartbeat.port'],
    ['mysql:', 'guard: address\nmysql:', 'guard'],
    ['mysql:', 'mysql:\n  semi_sync: off', 'mysql.semi_sync'],
    ['mysql:', 'mysql:\n  host: 127.0.0.1', 'mysql.host'],
    ['mysql:', 'agents: { port: 9001 }\nmysql:', 'agents.port'],
    ['mysql:', 'control: { group: root }\nmysql:', 'control.group'],
  ])('%s -> %s waits for a restart, and says so', (from, to, key) => {
    const { refused } = compareConfigs(inForce, changed(from, to));
    expect(refused.map((one) => one.key)).toContain(key);
    for (const { why } of refused) expect(why).toMatch(/restart vipd|start both/);
  });

  it('does not move a VIP that both have to another link', () => {
    const [, refused] = difference(changed('10.99.0.100/24, interface: eth0', '10.99.0.100/24, interface: eth1'));
    expect(refused).toEqual(['vip']);
  });

  it('may name a second key, sign with one that was known, and not with one that was not', () => {
    const both = changed(
      `key_file: ${fixture.path('key')}`,
      `key_file: [${fixture.path('key')}, ${fixture.path('key2')}]`,
    );
    expect(difference(both)).toEqual([['key_file'], []]);
    const turned = { ...both, keys: both.keys.toReversed() };
    expect(compareConfigs(both, turned)).toEqual({ live: ['key_file'], refused: [] });
    const { refused } = compareConfigs(inForce, turned);
    expect(refused).toMatchObject([{ key: 'key_file', why: expect.stringContaining('name it second') }]);
    expect(JSON.stringify(refused)).not.toContain(fixture.path('key2'));
  });
});

describe('a new configuration of a witness', () => {
  it('may take groups in and out, and no group to other nodes', () => {
    const [group] = witness.groups;
    if (group === undefined) throw new Error('the sound file has no group');
    const other = { ...group, name: 'other' };
    expect(compareWitnessConfigs(witness, { ...witness, groups: [other] })).toEqual({ live: ['groups'], refused: [] });
    const moved = { ...witness, groups: [{ ...group, nodes: ['db1', 'db3'] as const }] };
    expect(compareWitnessConfigs(witness, moved).refused).toMatchObject([{ key: `groups.${group.name}.nodes` }]);
  });

  it('keeps its name, its address and its records', () => {
    const moved = { ...witness, name: 'w9', stateDirectory: '/elsewhere' };
    expect(compareWitnessConfigs(witness, moved).refused.map(({ key }) => key)).toEqual(['name', 'state_directory']);
  });
});
