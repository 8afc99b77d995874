/** What is done to the active host in a measurement, and how long clients are without it. */

import type { Lab } from '../lab/lab.js';
import { peerOf } from '../lab/lab.js';
import type { NodeName } from '../lab/topology.js';
import type { Running, Settings } from './system.js';

export interface Fault {
  readonly name: string;
  readonly title: string;
  readonly settings: Settings;
  /**
   * `first-after`: the first acknowledgement of an attempt begun after the fault, less the time of the fault. `gap`: the
   * longest time between two acknowledgements, for faults after which the old active goes on serving for a while.
   */
  readonly measure: 'first-after' | 'gap';
  /** The fault stays for this long before it is asked whether writes are back. */
  readonly lastsMs: number;
  /** The decisive act: done when it resolves. */
  inflict(lab: Lab, running: Running, active: NodeName): Promise<unknown>;
  /** What belongs to it and may take its time. */
  settle?(lab: Lab, active: NodeName): Promise<unknown>;
  /** Once measured: lets what was stopped go on, so that what it does then is seen too. */
  relieve?(lab: Lab, active: NodeName): Promise<unknown>;
}

const QUICK: Settings = { intervalMs: 100, fall: 1 };
/** Where the old active may go on serving for a while: longer than any of the systems takes to move. */
const OBSERVED_MS = 5_000;

export const FAULTS: readonly Fault[] = [
  {
    name: 'mysqld-killed',
    title: 'mysqld killed',
    settings: QUICK,
    measure: 'first-after',
    lastsMs: 0,
    inflict: async (lab, _running, active) => lab.database[active].signal('SIGKILL'),
  },
  {
    name: 'mysqld-hangs',
    title: 'mysqld hangs',
    settings: QUICK,
    measure: 'first-after',
    lastsMs: 0,
    inflict: async (lab, _running, active) => lab.database[active].signal('SIGSTOP'),
    relieve: async (lab, active) => {
      if (lab.database[active].running) lab.database[active].signal('SIGCONT');
    },
  },
  {
    name: 'host-dead-100ms',
    title: 'host dead, 100 ms',
    settings: QUICK,
    measure: 'first-after',
    lastsMs: 0,
    inflict: async (lab, _running, active) => lab.cable(active, false),
    settle: (lab, active) => lab.powerOff(active),
  },
  {
    name: 'host-dead-20ms',
    title: 'host dead, 20 ms',
    settings: { ...QUICK, intervalMs: 20 },
    measure: 'first-after',
    lastsMs: 0,
    inflict: async (lab, _running, active) => lab.cable(active, false),
    settle: (lab, active) => lab.powerOff(active),
  },
  {
    name: 'switchover',
    title: 'planned switchover',
    settings: QUICK,
    measure: 'gap',
    lastsMs: OBSERVED_MS,
    inflict: async (_lab, running, active) => running.switchover(active),
  },
  {
    name: 'agent-killed',
    title: 'agent killed',
    settings: QUICK,
    measure: 'gap',
    lastsMs: OBSERVED_MS,
    inflict: async (_lab, running, active) => running.kill(active),
  },
  {
    name: 'partition',
    title: 'active cut off from peer and witness',
    settings: QUICK,
    measure: 'gap',
    lastsMs: OBSERVED_MS,
    inflict: async (lab, _running, active) => {
      await lab.cutBetween(active, peerOf(active));
      await lab.cutBetween(active, 'w1');
    },
    relieve: (lab) => lab.heal(),
  },
];
