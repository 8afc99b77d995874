/** Clients that read-only does not bind, and that come back as often as they are killed, while the active is demoted. */

import { setTimeout as sleep } from 'node:timers/promises';
import { activeNode, isQuarantined } from '../lab/checks.js';
import { APP_USER } from '../lab/database.js';
import { type Lab, peerOf } from '../lab/lab.js';
import type { ServerKind } from '../lab/server-kind.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { askToMove } from './operator.js';
import { connectApp } from './servers.js';
import { type Extent, PATIENCE_MS, PATIENT_CONFIG, type Scenario, type Stage } from './stage.js';

const ROUNDS = { short: 5, full: 20 } as const satisfies Record<Extent, number>;
const TIMEOUT_MS = 5_000;
const BETWEEN_MS = 500;
const INTRUDER_EVERY_MS = 1;

/** What lets a user write on a server that is read-only, or would have before super_read_only. */
const PRIVILEGES = {
  mariadb: ['READ_ONLY ADMIN, CONNECTION ADMIN, SUPER'],
  mysql: ['SUPER', 'CONNECTION_ADMIN, SYSTEM_VARIABLES_ADMIN'],
} as const satisfies Record<ServerKind['name'], readonly string[]>;

const privilege = async (lab: Lab): Promise<void> => {
  const serving = await activeNode(lab);
  for (const node of NODES) {
    const { kind, sql } = lab.database[node];
    const grants = PRIVILEGES[kind.name].map((names) => `GRANT ${names} ON *.* TO '${APP_USER}'@'%'`);
    const inside = ['SET SESSION sql_log_bin=0', ...grants];
    await sql((node === serving ? inside : [kind.openForAccounts, ...inside, kind.closeAfterAccounts]).join('; '));
  }
};

const ask = async ({ lab, fault, note }: Stage, what: string): Promise<void> => {
  const active = await activeNode(lab);
  await fault(`switchover from ${active} ${what}`, async () => {
    const said = await askToMove(lab, active, TIMEOUT_MS);
    note(said);
    if (!/is active with term|undone/.test(said)) throw new Error(`neither moved nor undone: ${said}`);
  });
};

/** Every client is one: those that start afresh each time are back before the listing is over. */
const throughVip =
  (rounds: number) =>
  async (stage: Stage): Promise<void> => {
    await privilege(stage.lab);
    for (let turn = 1; turn <= rounds; turn += 1) {
      await ask(stage, 'with privileged clients');
      await stage.untilWritesPass();
      await stage.untilSettled();
      stage.noteOutage();
      await stage.goOn(BETWEEN_MS);
    }
  };

interface Intruder {
  /** Acknowledged so far. */
  readonly rows: readonly number[];
  readonly stop: () => Promise<void>;
}

/** On the host itself, where no guard is in between. */
const intrude = (lab: Lab, node: NodeName, firstId: number): Intruder => {
  const rows: number[] = [];
  let wanted = true;
  const loop = async (first: number): Promise<void> => {
    for (let id = first; wanted; id += SESSIONS) {
      try {
        const connection = await connectApp(lab, node);
        connection.on('error', () => undefined);
        await connection.query(`INSERT INTO intruder VALUES (${id})`).then(() => rows.push(id));
        connection.destroy();
      } catch {
        await sleep(INTRUDER_EVERY_MS);
      }
    }
  };
  const done = Promise.all(Array.from({ length: SESSIONS }, (_, index) => loop(firstId + index)));
  return {
    rows,
    stop: async () => {
      wanted = false;
      await done;
    },
  };
};
const IDS_OF_A_ROUND = 1_000_000;
/** At a time, so that one of them is in whenever it matters. */
const SESSIONS = 4;
/** They are well under way. */
const ROWS_BEFORE = 20;

const pastVip =
  (rounds: number) =>
  async (stage: Stage): Promise<void> => {
    const { lab, untilWritesPass, untilSettled, note } = stage;
    await lab.database[stage.active].sql('CREATE TABLE lab.intruder (id BIGINT PRIMARY KEY)');
    await privilege(lab);
    for (let turn = 1; turn <= rounds; turn += 1) {
      const active = await activeNode(lab);
      const intruder = intrude(lab, active, turn * IDS_OF_A_ROUND);
      try {
        await waitFor(() => intruder.rows.length >= ROWS_BEFORE, 'the intruder writes', PATIENCE_MS);
        await ask(stage, 'with a privileged client on the host itself');
      } finally {
        await intruder.stop();
      }
      const { rows } = intruder;
      await untilWritesPass();
      await untilSettled();
      const serving = await activeNode(lab);
      const there = await lab.database[serving].sql('SELECT id FROM lab.intruder');
      const known = new Set(there.map((row) => Number(row.id)));
      const lost = rows.filter((id) => !known.has(id));
      note(`${rows.length} rows of the intruder acknowledged, ${lost.length} of them not on the active ${serving}`);
      if (lost.length === 0) continue;
      if (!(await isQuarantined(lab, peerOf(serving)))) throw new Error(`${lost.length} rows of the intruder are lost`);
      return;
    }
  };

export const privileged = (extent: Extent): readonly Scenario[] => {
  const rounds = ROUNDS[extent];
  const lab = { config: PATIENT_CONFIG };
  return [
    {
      id: '20a',
      title: `privileged clients of the VIP that reconnect in a loop during a demotion, ${rounds} times`,
      outcome: 'the switchover is undone, or they are shut out; never two writers',
      lab,
      moves: { atMost: rounds },
      run: throughVip(rounds),
    },
    {
      id: '20b',
      title: `a privileged client past the VIP that reconnects in a loop during a demotion, ${rounds} times`,
      outcome: 'the switchover is undone, or it is shut out, or what it wrote is quarantined',
      lab,
      moves: { atMost: rounds },
      orphans: 'may be kept',
      run: pastVip(rounds),
    },
  ];
};
