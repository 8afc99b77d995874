/** The standby VIP on real servers, over IPv4 and IPv6: through every move, with a watch on the switch that no two hosts answer for it. */

import { join } from 'node:path';
import { isQuarantined } from '../lab/checks.js';
import { createDaemon, type Daemon } from '../lab/daemon.js';
import { APP_PASSWORD, APP_USER, MYSQL_PORT } from '../lab/database.js';
import type { Lab } from '../lab/lab.js';
import { createStandbyVipWatch, type StandbyVipReport } from '../lab/standby-vip-watch.js';
import { startTap } from '../lab/tap.js';
import {
  addressesOf,
  type HostName,
  NODES,
  type NodeName,
  STANDBY_VIP4,
  STANDBY_VIP6,
  withPrefix,
} from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

const STANDBY_VIPS = [STANDBY_VIP4, STANDBY_VIP6];
const MAX_LAG_S = 2;
/** Above any wait: the lock is let go before. */
const LOCKED_S = 600;
/** Each answer bears the address: from the node that the asker is pinned to, or from the one that ARP tells of. */
const PING_EVERY_S = '0.01';
const PINGING: readonly HostName[] = ['client', 'pin1', 'pin2'];
const STEADY_MS = 1_000;

/** Asks whoever has it, again and again, from hosts that know it at either node for good. */
const startPinging = (lab: Lab): readonly Daemon[] =>
  PINGING.flatMap((host) =>
    STANDBY_VIPS.map((address) => {
      const argv = ['ping', '-n', '-q', '-i', PING_EVERY_S, address];
      const logFile = join(lab.directory, `ping-${host}-${address.replaceAll(':', '_')}.log`);
      const daemon = createDaemon({ name: `ping on ${host}`, host, argv, logFile });
      daemon.start();
      return daemon;
    }),
  );

/** The name of the server that a reader reaches. */
const readThrough = async (lab: Lab, address: string): Promise<string> => {
  const login = [`--host=${address}`, `--port=${MYSQL_PORT}`, `--user=${APP_USER}`, `--password=${APP_PASSWORD}`];
  const query = ['--connect-timeout=1', '--batch', '--skip-column-names', '--execute=SELECT @@hostname'];
  const { stdout, stderr } = await lab.exec('client', ['mariadb', '--no-defaults', ...login, ...query]);
  return stdout.trim() || stderr.trim();
};

/** Whoever knows says so, the kernel has it so, and readers reach that node. */
const untilHeldBy = async ({ lab, note }: Stage, node: NodeName): Promise<void> => {
  const began = performance.now();
  await waitFor(
    async () => {
      for (const by of NODES) {
        const told = (await lab.status(by).catch(() => null))?.standbyVip;
        // One that does not hear the other does not know.
        const knows = told && (by === node || told.holder !== null);
        if (knows && told.holder !== node) return `${by} says: ${told.holder}: ${told.why}`;
      }
      // The kernel of a node whose agent is dead keeps the addresses for a while, behind a guard that is shut.
      const on = (await addressesOf(node)).filter((address) => STANDBY_VIPS.includes(address));
      if (on.length < STANDBY_VIPS.length) return `${node} has ${on.join(', ') || 'none'}`;
      for (const address of STANDBY_VIPS) {
        const reached = await readThrough(lab, address);
        if (reached !== node) return `a reader of ${address} gets ${reached}`;
      }
      return true;
    },
    `${node} has the standby VIP`,
    PATIENCE_MS,
  );
  note(`${node} has it after ${Math.round(performance.now() - began)} ms`);
};

/** The newest that the node told of it. */
const explained = async ({ lab, note }: Stage, by: NodeName, verb: string, words: string): Promise<void> => {
  const told = (await lab.journal(by)).filter(({ cause, text }) => cause === 'standby-vip' && text.startsWith(verb));
  const text = told.at(-1)?.text ?? '';
  if (!text.includes(words)) throw new Error(`${by} told of the standby VIP '${text}', without '${words}'`);
  note(text);
};

/** The applier waits behind it until it is let go. */
const holdLock = (lab: Lab, node: NodeName): (() => Promise<void>) => {
  const lock = `LOCK TABLES lab.writes WRITE; DO SLEEP(${LOCKED_S})`;
  const login = [`--socket=${lab.files[node].mysqlSocket}`, '--user=root'];
  const argv = ['mariadb', '--no-defaults', ...login, `--execute=${lock}`];
  const client = createDaemon({ name: `lock on ${node}`, host: node, argv, logFile: join(lab.directory, 'lock.log') });
  client.start();
  return async () => {
    const { sql } = lab.database[node];
    const sessions = await sql("SELECT id FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'");
    if (sessions.length === 0) throw new Error(`nobody holds a lock on ${node}: ${client.tail()}`);
    for (const { id } of sessions) await sql(`KILL ${String(id)}`);
    await client.stop();
  };
};

const throughEverything = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, goOn, note, untilActive, untilSettled } = stage;
  await untilHeldBy(stage, standby);

  await fault(`${standby} lags behind a lock`, async () => {
    const unlock = holdLock(lab, standby);
    await untilHeldBy(stage, active);
    await explained(stage, active, 'takes', 'behind');
    await explained(stage, standby, 'gives', 'standby_vip.max_lag');
    await unlock();
  });
  await untilHeldBy(stage, standby);

  await fault(`agent of ${standby} killed`, async () => void (await lab.agent[standby].stop('SIGKILL')));
  await untilHeldBy(stage, active);
  lab.agent[standby].start();
  await untilHeldBy(stage, standby);

  await fault(`heartbeats from ${active} to ${standby} cut`, () =>
    lab.cut([{ traffic: 'heartbeat', from: active, to: standby }]),
  );
  await untilHeldBy(stage, active);
  await goOn(STEADY_MS);
  await lab.heal();
  await untilHeldBy(stage, standby);

  await fault('switchover', () => lab.vipctl(active, ['switchover']));
  await untilActive(standby);
  await untilHeldBy(stage, active);

  await fault(`${standby}, now active, is powered off while ${active} has the standby VIP`, () =>
    lab.powerOff(standby),
  );
  await untilActive(active);
  await untilHeldBy(stage, active);
  await lab.powerOn(standby);
  await untilSettled();
  // A host that dies in the middle of a commit comes back with it, and is kept apart: no standby that readers may be sent to.
  if (!(await isQuarantined(lab, standby))) return untilHeldBy(stage, standby);
  await goOn(STEADY_MS);
  await untilHeldBy(stage, active);
  note(`${standby} is quarantined, and ${active} keeps the standby VIP`);
};

const watched = async (stage: Stage): Promise<void> => {
  const { lab, note, goOn } = stage;
  const watch = createStandbyVipWatch();
  const others = { vips: STANDBY_VIPS, onPacket: watch.packet };
  const tap = await startTap({ vips: lab.vips, voters: NODES.length + 1, others, onFrame: watch.frame });
  const pinging = startPinging(lab);
  let report: StandbyVipReport;
  try {
    await goOn(STEADY_MS);
    await throughEverything(stage);
  } finally {
    await Promise.all(pinging.map((daemon) => daemon.stop('SIGKILL')));
    await tap.stop();
    report = watch.report();
  }
  if (report.problems.length > 0) throw new Error(report.problems.join('\n'));
  const moves = await movesTold(lab);
  note(`${report.judged} packets bore the standby VIP, from another node ${report.changes} times; ${moves} moves told`);
  if (report.changes > moves)
    throw new Error(`the sender changed ${report.changes} times, and ${moves} moves were told`);
};

/** How often a node told that it takes it: what a dead node has not told any more is missing at most. */
const movesTold = async (lab: Lab): Promise<number> => {
  const journals = await Promise.all(NODES.map((node) => lab.journal(node)));
  return journals.flat().filter(({ cause, text }) => cause === 'standby-vip' && text.startsWith('takes')).length;
};

export const STANDBY_VIP: readonly Scenario[] = [
  {
    id: 's1',
    title: 'standby VIP, IPv4 and IPv6, through lag, a killed agent, a one-way cut, a switchover and a dead host',
    outcome: 'with the standby while it is fit and near, else with the active; never with both',
    lab: {
      config: {
        // A busy machine must not take what this scenario leaves in place.
        heartbeat: { interval: '200ms', dead_after: 5 },
        standby_vip: { addresses: STANDBY_VIPS.map(withPrefix), interface: 'eth0', max_lag: `${MAX_LAG_S}s` },
      },
    },
    orphans: 'may be kept',
    moves: { exactly: 2 },
    run: watched,
  },
];
