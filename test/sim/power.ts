/** A host's power: what is lost with it, and what comes back. */

import { startAgent } from './agent.js';
import { startServer } from './database.js';
import { crash, type Remains } from './disk.js';
import { createKernel } from './kernel.js';
import { noteLostRecord } from './ledger.js';
import { noteRelayLogsLost } from './losses.js';
import type { Host, World } from './world.js';

/** What of a write under way a crash leaves. */
export const remainsOf = (world: World, torn: boolean): Remains => (torn ? 'torn' : world.random.pick(['old', 'new']));

export const powerOff = (world: World, host: Host, torn: boolean): void => {
  if (!host.powered) return;
  host.powered = false;
  host.boots += 1;
  host.frozen = 0;
  host.suspended.length = 0;
  host.agent = null;
  crash(host.disk, remainsOf(world, torn));
  if (torn) noteLostRecord(world, host);
  for (const kernel of [host.kernel, host.standbyKernel]) {
    const { connections, stuck, stuckUntil } = kernel;
    Object.assign(kernel, createKernel(), { connections: connections + 1, stuck, stuckUntil });
  }
  if (!host.server) return;
  host.server.up = false;
  host.server.waiting = [];
  // Relay logs are not synced: what was received and not applied may be gone.
  noteRelayLogsLost(world, host);
  host.server.received = [...host.server.committed];
};

export const powerOn = (world: World, host: Host): void => {
  if (host.powered) return;
  host.powered = true;
  host.clock.restart(world.now);
  startServer(world, host);
  startAgent(world, host);
};
