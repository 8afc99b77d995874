/** The active's server stopped in an orderly way, as `systemctl stop`, `systemctl restart` and the upgrade of a package do. */

import { restartOnDeath } from '../lab/database.js';
import { monotonicMs } from '../lab/load.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** `systemctl restart` starts what it has stopped at once. */
const AT_ONCE_MS = 0;
/** Long enough for a move back to show, were there one: several check intervals and leases. */
const STEADY_MS = 4_000;

/** By itself: a server that was killed while it shut down cannot be upgraded (InnoDB: "Upgrade after a crash is not supported"). */
const untilEnded = async ({ lab, active, note }: Stage, pid: number): Promise<void> => {
  const server = lab.database[active];
  await waitFor(() => server.pid !== pid || 'it runs', `mysqld of ${active} ends`, PATIENCE_MS);
  const end = /process \d+ ended .*$/.exec(await server.tail())?.[0] ?? '';
  note(`mysqld of ${active}: ${end}`);
  if (!end.endsWith('status 0')) throw new Error(`mysqld of ${active} was not left to shut down: ${end}`);
};

/** A shutdown closes the listeners before all else, so that the next look is refused rather than answered with error 1053. */
const toldWhy = async ({ lab, active, note }: Stage): Promise<void> => {
  const told = (await lab.journal(active)).find(
    ({ kind, cause }) => kind === 'transition' && cause === 'database-failed',
  );
  if (!/database (down|shutting-down): /.test(told?.text ?? ''))
    throw new Error(`${active} handed off and did not say that its server is down: ${told?.text}`);
  note(`${active}: ${told?.text}`);
};

const stop = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, untilActive, goOn } = stage;
  const server = lab.database[active];
  const { pid } = server;
  await fault(`SIGTERM to mysqld of ${active}`, async () => server.signal('SIGTERM'));
  await untilActive(standby);
  await untilEnded(stage, pid);
  await toldWhy(stage);
  await goOn(STEADY_MS);
  await server.start();
};

const restart = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, goOn, note, untilWritesPass } = stage;
  const server = lab.database[active];
  const { pid } = server;
  const noMore = restartOnDeath(server, AT_ONCE_MS);
  try {
    const began = monotonicMs();
    await fault(`SIGTERM to mysqld of ${active}, started again at its end`, async () => server.signal('SIGTERM'));
    await untilEnded(stage, pid);
    await waitFor(() => server.running || 'it is down', `mysqld of ${active} is started again`, PATIENCE_MS);
    note(`started again after ${Math.round(monotonicMs() - began)} ms`);
    await untilWritesPass();
    await goOn(STEADY_MS);
  } finally {
    await noMore();
  }
};

export const SHUTDOWNS: readonly Scenario[] = [
  {
    id: '1d',
    orphans: 'may be kept',
    title: 'mysqld of the active shut down in order',
    outcome: 'one handoff, nothing lost, and the journal says why',
    moves: { exactly: 1 },
    run: stop,
  },
  {
    id: '2c',
    orphans: 'may be kept',
    title: 'the same, and started again at its end, as systemctl restart does',
    outcome: 'at most one handoff, the old one returns as standby',
    moves: { atMost: 1 },
    run: restart,
  },
];
