import { expect, test } from 'vitest';
import { mustShutPeer } from '../../src/core/peer-fence.js';
import type { NodeState } from '../../src/core/state.js';
import { host, type World } from './host.js';
import { command, createWorld, killAgent, runFor, startAgent } from './world.js';

/** db1 was active and its agent is gone; its server lives. db2 waits. */
const silentActive = (witnesses: readonly string[]): World => {
  const world = createWorld(witnesses);
  for (const name of world.hosts.keys()) startAgent(world, name);
  runFor(world, 2_000);
  host(world, 'db2').hanging.add('database-catch-up');
  killAgent(world, 'db1');
  return world;
};

const stateOf = (world: World, name: string): NodeState => {
  const { state } = host(world, name);
  if (!state) throw new Error(`${name} has no agent`);
  return state;
};

const promoting = (world: World): NodeState => {
  for (let waited = 0; waited < 2_000 && stateOf(world, 'db2').role !== 'promoting'; waited += 1) runFor(world, 1);
  expect(stateOf(world, 'db2').role).toBe('promoting');
  return stateOf(world, 'db2');
};

test('a takeover on silence shuts the server of the silent peer', () => {
  const world = silentActive(['w1']);
  expect(mustShutPeer(promoting(world), world.now)).toBe(true);
});

test('without a witness the evidence has shut it already', () => {
  const world = silentActive([]);
  expect(mustShutPeer(promoting(world), world.now)).toBe(false);
});

test("without a witness an operator's word comes before any evidence, and it is shut then", () => {
  const world = silentActive([]);
  host(world, 'db2').evidence = { gateways: 'answer', peerDatabase: 'refuses', detail: 'its database answers' };
  runFor(world, 1_000);
  expect(stateOf(world, 'db2').role).toBe('standby');
  command(world, 'db2', { name: 'promote', acceptLoss: true });
  expect(mustShutPeer(promoting(world), world.now)).toBe(true);
});

test('nobody is shut in a handoff', () => {
  const world = createWorld(['w1']);
  for (const name of world.hosts.keys()) startAgent(world, name);
  runFor(world, 2_000);
  host(world, 'db2').hanging.add('vip-probe');
  command(world, 'db1', { name: 'stop' });
  expect(mustShutPeer(promoting(world), world.now)).toBe(false);
});
