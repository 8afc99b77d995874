/** Commands that stop and start the lab's servers for `vipctl rejoin`, as a service manager's would: the lab goes on owning them. */

import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigPart } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import { LAB_ROOT } from '../lab/sandbox.js';
import type { NodeName } from '../lab/topology.js';

const DIRECTORY = join(LAB_ROOT, 'service');
const STOP = join(DIRECTORY, 'stop');
const START = join(DIRECTORY, 'start');
const LOOK_EVERY_MS = 50;

export const SERVICE_CONFIG: ConfigPart = { rejoin: { stop: [STOP], start: [START] } };

/**
 * Before the lab is made, since an agent wants them to be there. The same on both hosts, which a script tells apart by the
 * host's name; a sandbox has one lab at a time. How long they may take is vipctl's to say.
 */
export const writeServiceCommands = async (): Promise<void> => {
  await mkdir(DIRECTORY, { recursive: true });
  const pidFile = join(LAB_ROOT, 'lab-*', '$(hostname)', 'mysql', 'mysqld.pid');
  const stop = `pid=$(cat ${pidFile})\nkill "$pid" && while [ -d "/proc/$pid" ]; do sleep 0.05; done`;
  const wanted = wantedFile('$(hostname)');
  const start = `touch "${wanted}"; while [ -e "${wanted}" ]; do sleep 0.05; done`;
  await writeFile(STOP, `#!/bin/sh\n${stop}\n`, { mode: 0o755 });
  await writeFile(START, `#!/bin/sh\n${start}\n`, { mode: 0o755 });
};

const wantedFile = (host: string): string => join(DIRECTORY, `wanted-${host}`);

/** Starts the server whenever the command asks for it, for as long as `work` takes. */
export const whileServed = async <T>(lab: Lab, node: NodeName, work: () => Promise<T>): Promise<T> => {
  let busy = false;
  const timer = setInterval(() => {
    if (busy || !existsSync(wantedFile(node))) return;
    busy = true;
    lab.database[node]
      .start()
      // A start that fails leaves the command waiting, and is tried again.
      .then(() => rm(wantedFile(node), { force: true }))
      .catch(() => undefined)
      .finally(() => {
        busy = false;
      });
  }, LOOK_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
};
