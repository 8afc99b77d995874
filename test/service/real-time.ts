/** Lets the services of a machine run in real time, as those of any host do, also where the container under it forbids it. */

import { spawnSync } from 'node:child_process';
import type { Machine } from './machine.js';

/** LimitRTPRIO= of the units suffices only where the container has CAP_SYS_RESOURCE (setrlimit(2)). */
export const limitsSuffice = (): boolean => spawnSync('prlimit', ['--rtprio=1:1', 'true']).status === 0;

export const REAL_TIME_DROP_IN = 'etc/systemd/system/vipd.service.d/real-time.conf';
const WITNESS_DROP_IN = 'etc/systemd/system/vipd-witness.service.d/real-time.conf';
/** As `vipctl doctor` advises it. */
const DROP_IN = '[Service]\nAmbientCapabilities=CAP_SYS_NICE\nCapabilityBoundingSet=CAP_SYS_NICE\n';

export const allowRealTime = (machine: Machine): void => {
  if (limitsSuffice()) return;
  machine.write(REAL_TIME_DROP_IN, DROP_IN);
  machine.write(WITNESS_DROP_IN, DROP_IN);
};
