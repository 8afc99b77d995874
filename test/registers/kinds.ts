/** The kinds of faults: what each does to the pair, and what may come of it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../src/control/client.js';
import type { Orphans } from '../lab/checks.js';
import { bothWays, type Cut } from '../lab/faults.js';
import { type Lab, peerOf } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import type { Fault, KindName } from './plan.js';

export interface Kind {
  readonly name: KindName;
  readonly title: string;
  /** `manage`: semi-synchronous, as vipd switches it. `off`: asynchronous. */
  readonly semiSync: 'manage' | 'off';
  /** Commits that were acknowledged to nobody may be left on the old active alone, with no way to have them. */
  readonly orphans: Orphans;
  /** What was acknowledged may be gone, within what vipd announced. */
  readonly mayLose: boolean;
  readonly lastsMs: { readonly from: number; readonly to: number };
  /** What makes the fault worse, right before it. */
  prepare(lab: Lab, active: NodeName, fault: Fault): Promise<void>;
  /** Once it resolves it is there for certain: what dies of it is dead. */
  inflict(lab: Lab, active: NodeName, fault: Fault): Promise<unknown>;
  /** After it has lasted: every part works again, though the pair need not have settled. */
  relieve(lab: Lab, active: NodeName): Promise<void>;
}

const ANSWER_MS = 60_000;

const pick = <T>(variants: readonly [T, ...T[]], variant: number): T =>
  variants[Math.floor(variant * variants.length)] ?? variants[0];

const switchover = async (lab: Lab, active: NodeName, { variant }: Fault): Promise<void> => {
  const typedOn = pick([active, peerOf(active)], variant);
  // As vipctl does, without the time that it takes to start.
  const answer = await request(lab.files[typedOn].controlSocket, { request: 'switchover' }, { timeoutMs: ANSWER_MS });
  if (answer.kind !== 'done' || !answer.ok) throw new Error(`a switchover asked for on ${typedOn}: ${answer.text}`);
};

type Place = 'peer' | 'w1' | 'client' | 'pin1' | 'pin2';

/** What the active cannot reach any more. Whatever is cut, it is cut both ways. */
const PARTITIONS: readonly [readonly Place[], ...(readonly Place[])[]] = [
  ['peer', 'w1'],
  ['peer', 'w1', 'client', 'pin1', 'pin2'],
  ['peer'],
  ['w1', 'client'],
];

const partition = async (lab: Lab, active: NodeName, { variant }: Fault): Promise<void> => {
  const cuts = pick(PARTITIONS, variant).flatMap((end): readonly Cut[] =>
    bothWays('all', active, end === 'peer' ? peerOf(active) : end),
  );
  await lab.cut(cuts);
};

const nothing = async (): Promise<void> => undefined;

const LONGEST_LAG_MS = 500;

/** In every other case replication stalls for a while, so that the active alone has what is acknowledged meanwhile. */
const stallReplication = async (lab: Lab, active: NodeName, { variant }: Fault): Promise<void> => {
  const stalls = pick([true, false], variant);
  if (!stalls) return;
  await lab.cutBetween(active, peerOf(active), 'replication');
  await sleep(2 * variant * LONGEST_LAG_MS);
};

export const KINDS_OF_FAULT: Readonly<Record<KindName, Kind>> = {
  switchover: {
    name: 'switchover',
    title: 'switchover',
    semiSync: 'manage',
    orphans: 'none',
    mayLose: false,
    lastsMs: { from: 0, to: 0 },
    prepare: nothing,
    inflict: switchover,
    relieve: nothing,
  },
  crash: {
    name: 'crash',
    title: 'mysqld killed, asynchronous, salvage',
    semiSync: 'off',
    orphans: 'none',
    mayLose: false,
    lastsMs: { from: 0, to: 3_000 },
    prepare: stallReplication,
    inflict: async (lab, active) => {
      await lab.database[active].stop('SIGKILL');
      await lab.heal();
    },
    // Started again by whoever looks after it, sometimes before the pair has moved.
    relieve: (lab, active) => lab.database[active].start(),
  },
  host: {
    name: 'host',
    title: 'host dead, semi-synchronous',
    semiSync: 'manage',
    orphans: 'may be kept',
    mayLose: false,
    lastsMs: { from: 300, to: 3_000 },
    prepare: nothing,
    inflict: (lab, active) => lab.powerOff(active),
    relieve: (lab, active) => lab.powerOn(active),
  },
  partition: {
    name: 'partition',
    title: 'active cut off, semi-synchronous',
    semiSync: 'manage',
    orphans: 'may be kept',
    mayLose: false,
    lastsMs: { from: 100, to: 5_000 },
    prepare: nothing,
    inflict: partition,
    relieve: (lab) => lab.heal(),
  },
  hang: {
    name: 'hang',
    title: 'mysqld stopped (SIGSTOP), asynchronous',
    semiSync: 'off',
    orphans: 'none',
    mayLose: false,
    lastsMs: { from: 100, to: 5_000 },
    prepare: stallReplication,
    inflict: async (lab, active) => {
      lab.database[active].signal('SIGSTOP');
      await lab.heal();
    },
    // What it has queued it would commit now, unless the agent has killed it by then.
    relieve: async (lab, active) => lab.database[active].signal('SIGCONT'),
  },
  'host-async': {
    name: 'host-async',
    title: 'host dead, asynchronous',
    semiSync: 'off',
    orphans: 'may be kept',
    mayLose: true,
    lastsMs: { from: 300, to: 3_000 },
    prepare: stallReplication,
    inflict: async (lab, active) => {
      await lab.powerOff(active);
      await lab.heal();
    },
    relieve: (lab, active) => lab.powerOn(active),
  },
};
