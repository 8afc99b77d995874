/** Whether a service of the machines may run in real time by its unit's LimitRTPRIO=. */

import { spawnSync } from 'node:child_process';

/** Their systemd raises the limit only where the container under it has CAP_SYS_RESOURCE (setrlimit(2)). */
export const mayRunInRealTime = (): boolean => spawnSync('prlimit', ['--rtprio=1:1', 'true']).status === 0;
