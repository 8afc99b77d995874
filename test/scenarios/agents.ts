/** Agents that die or stop while their hosts and databases go on: of the active, of the standby that is being promoted. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.js';
import { monotonicMs } from '../lab/load.js';
import { vipHolder } from '../lab/named-faults.js';
import { VIPD } from '../lab/programs.js';
import type { NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { type Extent, PATIENCE_MS, type Scenario, type Stage, untilInSync } from './stage.js';

const ROUNDS = { short: 2, full: 20 } as const satisfies Record<Extent, number>;
/** RestartSec of systemd/vipd.service. */
const SERVICE_RESTART_MS = 1_000;
const STOPPED_MS = 10_000;
/** Several check intervals and leases. */
const STEADY_MS = 4_000;

/** As systemd/vipd.service does after a death: ExecStopPost, and a while later another start. */
export const restartAsService = async (lab: Lab, node: NodeName): Promise<void> => {
  const { config } = lab.files[node];
  const cleanup = await lab.exec(node, [process.execPath, VIPD, 'cleanup', '--config', config]);
  if (cleanup.status !== 0) throw new Error(`vipd cleanup on ${node}: ${cleanup.stderr}${cleanup.stdout}`);
  await sleep(SERVICE_RESTART_MS);
  lab.agent[node].start();
};

const killAgent = async ({ lab, fault, untilActive }: Stage, from: NodeName, to: NodeName): Promise<void> => {
  await fault(`kill -9 the agent of ${from}`, () => lab.agent[from].stop('SIGKILL'));
  await restartAsService(lab, from);
  await untilActive(to);
};

const stopAgent = async ({ lab, fault, untilActive, goOn }: Stage, from: NodeName, to: NodeName): Promise<void> => {
  const since = monotonicMs();
  await fault(`SIGSTOP to the agent of ${from}`, async () => lab.agent[from].signal('SIGSTOP'));
  await untilActive(to);
  await goOn(Math.max(0, since + STOPPED_MS - monotonicMs()));
  lab.agent[from].signal('SIGCONT');
};

const loseAgents =
  (rounds: number) =>
  async (stage: Stage): Promise<void> => {
    let [from, to] = [stage.active, stage.standby];
    const outages: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      for (const lose of [killAgent, stopAgent]) {
        await lose(stage, from, to);
        outages.push(Math.round(stage.outageMs()));
        await stage.untilSettled();
        stage.noteOutage();
        [from, to] = [to, from];
      }
    }
    stage.note(`outages in ms: ${outages.join(' ')}`);
  };

/** The server of a host whose agent is dead takes no writes, and nobody is left who could have begun one. */
const isShut = async (lab: Lab, node: NodeName): Promise<true | string> => {
  const [row] = await lab.database[node].sql('SELECT @@global.read_only AS readOnly');
  if (Number(row?.readOnly) === 0) return `${node} is writable`;
  const sessions = await lab.database[node].sql("SELECT id FROM information_schema.processlist WHERE user = 'app'");
  return sessions.length === 0 || `${sessions.length} client sessions on ${node}`;
};

const agentGone = async ({ lab, fault, active, standby, untilActive, goOn }: Stage): Promise<void> => {
  await fault(`kill -9 the agent of ${active}, and nothing restarts it`, () => lab.agent[active].stop('SIGKILL'));
  await untilActive(standby);
  await waitFor(() => isShut(lab, active), `the server of ${active} is read-only, without clients`, PATIENCE_MS);
  await goOn(STEADY_MS);
  lab.agent[active].start();
};

/** Long enough to be met in it, and to be killed. */
const SLOW_HOOK = { 'pre-promote/10-slow': '#!/bin/sh\nexec sleep 2\n' };

const untilPromoting = (lab: Lab, node: NodeName): Promise<void> =>
  waitFor(
    async () => {
      const self = (await lab.status(node)).nodes.find((one) => one.self);
      return self?.role === 'promoting' || `role ${self?.role}`;
    },
    `${node} is being promoted`,
    PATIENCE_MS,
  );

/** Nobody has the VIP, and no write passes. */
const nobodyServes = async ({ lab, acknowledgedSince, goOn }: Stage): Promise<void> => {
  const since = monotonicMs();
  await goOn(STEADY_MS);
  const holder = await vipHolder(lab);
  if (holder !== undefined) throw new Error(`${holder} has the VIP`);
  const written = acknowledgedSince(since).length;
  if (written > 0) throw new Error(`${written} writes passed with nobody to serve`);
};

const promoteeHostDies = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive } = stage;
  await untilInSync(stage);
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilPromoting(lab, standby);
  await fault(`power off ${standby} in the middle of its promotion`, () => lab.powerOff(standby));
  await nobodyServes(stage);
  await lab.powerOn(active);
  await untilActive(active);
  await lab.powerOn(standby);
};

const promoteeAgentDies = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive } = stage;
  await untilInSync(stage);
  await fault(`power off ${active}`, () => lab.powerOff(active));
  await untilPromoting(lab, standby);
  await fault(`kill -9 the agent of ${standby} in the middle of its promotion`, () =>
    lab.agent[standby].stop('SIGKILL'),
  );
  await nobodyServes(stage);
  await restartAsService(lab, standby);
  await untilActive(standby);
  await lab.powerOn(active);
};

export const agentFaults = (extent: Extent): readonly Scenario[] => {
  const rounds = ROUNDS[extent];
  return [
    {
      id: '5',
      title: `agent of the active killed, and stopped for ${STOPPED_MS / 1_000} s and continued, ${rounds} times each`,
      outcome: 'the guard shuts by itself, takeover, the old one returns as standby',
      // As many moves would hold the group as flapping.
      lab: { config: { moves: { max_failovers: 100 } } },
      moves: { exactly: 2 * rounds },
      leasesLost: 2 * rounds,
      run: loseAgents(rounds),
    },
    {
      id: '14a',
      orphans: 'may be kept',
      title: 'host of the promotee dies in the middle of promoting',
      outcome: 'VIP nowhere, then on the old active that is back',
      lab: { hooks: SLOW_HOOK },
      moves: { exactly: 0 },
      run: promoteeHostDies,
    },
    {
      id: '14b',
      orphans: 'may be kept',
      title: 'agent of the promotee dies in the middle of promoting',
      outcome: 'VIP nowhere, then on the promotee once its agent is back',
      lab: { hooks: SLOW_HOOK },
      moves: { exactly: 1 },
      run: promoteeAgentDies,
    },
    {
      id: '42',
      title: 'agent of the active dead, its mysqld and the replication channel alive',
      outcome: 'takeover, old mysqld made read-only, nothing lost',
      moves: { exactly: 1 },
      leasesLost: 1,
      run: agentGone,
    },
  ];
};
