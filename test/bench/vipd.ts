/** vipd as it is installed, with the interval and the number of failed checks that a measurement asks for. */

import { activeNode, groupProblems } from '../lab/checks.js';
import type { LabOptions } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../lab/wait.js';
import type { Running, Settings, System } from './system.js';

const READY_WITHIN_MS = 60_000;

const start = async (lab: Lab): Promise<Running> => {
  await waitFor(
    async () => {
      const problems = await groupProblems(lab);
      return problems.length === 0 || problems.join('; ');
    },
    'vipd has an active and a fit standby',
    READY_WITHIN_MS,
  );
  return {
    active: () => activeNode(lab),
    switchover: async (active) => {
      const { status, stderr } = await lab.vipctl(active, ['switchover']);
      if (status !== 0) throw new Error(`vipctl switchover on ${active}: exit status ${status}: ${stderr}`);
    },
    kill: (node) => lab.agent[node].stop('SIGKILL'),
    steps: async (node) => {
      const { lastChange } = await lab.status(node);
      return new Map((lastChange?.steps ?? []).map(({ name, tookMs }) => [name, tookMs]));
    },
    stop: async () => undefined,
  };
};

const labFor = ({ intervalMs, fall }: Settings): LabOptions => ({
  config: { heartbeat: { interval: `${intervalMs}ms` }, mysql: { check: { fall } } },
});

export const VIPD: System = { name: 'vipd', label: 'vipd', lab: labFor, start };

/** Where it may not run in real time, a container say. */
export const VIPD_ORDINARY: System = {
  name: 'vipd-ordinary',
  label: 'vipd without real time',
  lab: (settings) => ({ ...labFor(settings), ordinaryPriority: true }),
  start,
};
