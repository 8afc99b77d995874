/** An event of the server that writes each second, through moves of every kind: it runs where clients are served, and only there. */

import { activeNode, isQuarantined } from '../lab/checks.js';
import { SERVER_IDS } from '../lab/database.js';
import { type Lab, peerOf } from '../lab/lab.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { switchover } from './operator.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

const SECOND_MS = 1_000;
/** In each reign. */
const TICKS = 3;
const SERVICE_RESTART_MS = 1_000;

/** As root, who may write on a MariaDB that is read-only; the rows carry who wrote them. */
const SETUP = [
  `CREATE TABLE lab.ticks (id BIGINT AUTO_INCREMENT PRIMARY KEY, server_id INT NOT NULL, at_us BIGINT NOT NULL,
   event VARCHAR(16) NOT NULL)`,
  ...['tick', 'stopped', 'never'].map(
    (name) => `CREATE EVENT lab.${name} ON SCHEDULE EVERY 1 SECOND ${name === 'never' ? 'DISABLE' : ''} DO
     INSERT INTO lab.ticks (server_id, at_us, event)
     VALUES (@@server_id, CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED), '${name}')`,
  ),
] as const;

interface Tick {
  readonly node: NodeName;
  readonly atUs: number;
  readonly event: string;
}

const ticksOn = async (lab: Lab, node: NodeName): Promise<readonly Tick[]> => {
  const rows = await lab.database[node].sql('SELECT server_id, at_us, event FROM lab.ticks ORDER BY at_us');
  return rows.map((row) => ({
    node: Number(row.server_id) === SERVER_IDS.db1 ? 'db1' : 'db2',
    atUs: Number(row.at_us),
    event: String(row.event),
  }));
};

/** It runs on that node by now, some seconds in a row. */
const untilTicking = async ({ lab }: Stage, node: NodeName): Promise<void> => {
  const fromUs = Date.now() * 1_000;
  await waitFor(
    async () => {
      const ticks = await ticksOn(lab, node);
      const seen = ticks.filter((tick) => tick.event === 'tick' && tick.node === node && tick.atUs > fromUs).length;
      return seen >= TICKS || `${seen} ticks`;
    },
    `the event runs on ${node}`,
    PATIENCE_MS,
  );
};

/** A reign is a run of ticks of one server: there may be one for each time that the VIP was on a node. */
const checkTicks = (ticks: readonly Tick[], reigns: readonly NodeName[]): void => {
  const seen = ticks.filter((tick, index) => ticks[index - 1]?.node !== tick.node).map(({ node }) => node);
  if (seen.join() !== reigns.join())
    throw new Error(`the event ran on ${seen.join(', ')} in turn, the VIP was on ${reigns.join(', ')}`);
  const strangers = ticks.filter(({ event }) => event === 'never');
  if (strangers.length > 0) throw new Error(`an event that is disabled ran ${strangers.length} times`);
};

/** What the operator's ALTER EVENT stopped did not run again, on whichever node. */
const checkStopped = (ticks: readonly Tick[], stoppedAtUs: number): void => {
  const late = ticks.filter(({ event, atUs }) => event === 'stopped' && atUs > stoppedAtUs + SECOND_MS * 1_000);
  if (late.length > 0)
    throw new Error(`an event that an operator disabled ran ${late.length} times on ${late[0]?.node}`);
};

const throughMoves = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note, untilActive, untilSettled } = stage;
  const reigns = [active];
  const moveTo = async (node: NodeName, what: string, act: () => Promise<unknown>): Promise<void> => {
    await fault(what, act);
    await untilActive(node);
    reigns.push(node);
    await untilTicking(stage, node);
  };
  for (const statement of SETUP) await lab.database[active].sql(statement);
  await untilTicking(stage, active);
  await goOn(2 * SECOND_MS);

  await moveTo(standby, `switchover to ${standby}`, () => switchover(stage, standby));
  await untilSettled();
  await lab.database[standby].sql('ALTER EVENT lab.stopped DISABLE');
  const stoppedAtUs = Date.now() * 1_000;
  // The list is looked at once a second; this is a death without warning.
  await goOn(2 * SECOND_MS);
  await moveTo(active, `kill -9 mysqld on ${standby}`, () => lab.database[standby].stop('SIGKILL'));
  await goOn(SERVICE_RESTART_MS);
  await lab.database[standby].start();
  await untilSettled();
  await moveTo(standby, `power off ${active}`, () => lab.powerOff(active));
  await lab.powerOn(active);
  await untilSettled();
  if (!(await isQuarantined(lab, active))) {
    await moveTo(active, `switchover to ${active}`, () => switchover(stage, active));
    await untilSettled();
  }

  const serving = await activeNode(lab);
  for (const node of NODES) {
    if (node !== serving && (await isQuarantined(lab, node))) continue;
    const ticks = await ticksOn(lab, node);
    checkTicks(ticks, reigns);
    checkStopped(ticks, stoppedAtUs);
    note(`${ticks.length} rows on ${node}, in turn by ${reigns.join(', ')}`);
  }
  const { database } = await lab.status(serving);
  if (database.events !== '') throw new Error(`${serving} says of its events: ${database.events}`);
  await checkOff(lab, peerOf(serving));
};

const checkOff = async (lab: Lab, node: NodeName): Promise<void> => {
  const [row] = await lab.database[node].sql('SELECT @@global.event_scheduler AS v');
  if (row?.v !== 'OFF') throw new Error(`the event scheduler of the standby ${node} is ${String(row?.v)}`);
};

export const EVENTS: readonly Scenario[] = [
  {
    id: '34',
    title: 'an EVENT that writes each second, through switchovers and failovers',
    outcome: 'runs on exactly one node; one that an operator disabled stays so',
    moves: { atMost: 4 },
    orphans: 'may be kept',
    lab: { config: { moves: { max_failovers: 100 } } },
    run: throughMoves,
  },
];
