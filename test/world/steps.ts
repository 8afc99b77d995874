/** What a step of a node leads to: as its host is, or as the story says. */

import type { Step } from '../../src/core/effect.js';
import type { Evidence, Outcome } from '../../src/core/event.js';
import { mustShutPeer } from '../../src/core/peer-fence.js';
import { containsPosition } from '../../src/core/position.js';
import { standbyVipUntil } from '../../src/core/standby-vip.js';
import { carryOut, positionOf, replicate } from './database.js';
import { type Host, host, log, type World } from './host.js';

/** Null: not yet; it is to be tried again. */
export const tryStep = (world: World, h: Host, todo: Step): Outcome | null => {
  const why = h.failing.get(todo.name);
  if (why !== undefined) return { ok: false, detail: why };
  if (todo.name === 'vip-on') {
    h.vip = true;
    log(world, h.name, 'VIP on');
    return { ok: true, detail: 'VIP on' };
  }
  if (todo.name === 'standby-vip-on') return standbyVipOn(world, h);
  if (todo.name === 'hook') return { ok: true, detail: `${todo.phase} hooks done` };
  if (todo.name === 'salvage') return salvage(world, h);
  if (todo.name === 'database-catch-up') return catchUp(world, h, todo);
  return todo.name.startsWith('database-') ? carryOut(h.server, todo) : { ok: true, detail: 'done' };
};

const standbyVipOn = (world: World, h: Host): Outcome => {
  h.standbyGuardUntil = h.state ? standbyVipUntil(h.state) : 0;
  if (world.now >= h.standbyGuardUntil) return { ok: false, detail: 'its lease was too short' };
  h.standbyVip = true;
  log(world, h.name, 'standby VIP on');
  return { ok: true, detail: 'standby VIP on' };
};

/** Where the world says so, the peer's database is made read-only, and read. */
export const gather = (world: World, h: Host, fencePeer: boolean): Evidence => {
  if (!fencePeer || h.evidence.peerDatabase !== 'made-read-only') return h.evidence;
  const { server } = host(world, h.name === 'db1' ? 'db2' : 'db1');
  server.readOnly = true;
  return { ...h.evidence, position: positionOf(server.committed) };
};

/** In a takeover on silence the peer's server is made read-only first, where it lives and can be reached. */
const catchUp = (world: World, h: Host, todo: Extract<Step, { name: 'database-catch-up' }>): Outcome | null => {
  const other = host(world, h.name === 'db1' ? 'db2' : 'db1');
  const reachable = !world.cuts.has(`${h.name}>${other.name}`) && !world.cuts.has(`${other.name}>${h.name}`);
  if (todo.resume && todo.target !== null && !containsPosition(positionOf(h.server.committed), todo.target)) {
    h.server.io = true;
    h.server.sql = true;
    replicate(h.server, other.server, !world.cuts.has('replication'));
  }
  const shuts = todo.stop && todo.target === null && h.state !== null && mustShutPeer(h.state, world.now);
  if (!shuts || !reachable || !other.server.up || other.server.hanging) return carryOut(h.server, todo);
  other.server.readOnly = true;
  replicate(h.server, other.server, !world.cuts.has('replication'));
  const shutAt = positionOf(other.server.committed);
  const outcome = carryOut(h.server, { ...todo, target: shutAt });
  return outcome?.ok ? { ...outcome, shutAt } : outcome;
};

/** The agent beside the dead server ships what is not here. */
const salvage = (world: World, h: Host): Outcome => {
  const other = host(world, h.name === 'db1' ? 'db2' : 'db1');
  if (!other.state || other.server.up)
    return { ok: false, detail: `the agent of ${other.name} cannot ship its binary logs` };
  for (const [server, sequence] of other.server.committed)
    h.server.committed.set(server, Math.max(sequence, h.server.committed.get(server) ?? 0));
  h.server.received = new Map(h.server.committed);
  return { ok: true, detail: 'all of it is here', position: positionOf(h.server.committed) };
};
