import { afterEach, describe, expect, test } from 'vitest';
import type { Server } from '../../test/lab/mysqld.js';
import type { Row } from './connection.js';
import { keepEventList } from './events.js';
import {
  alone,
  type Cleanup,
  EVERY_KIND,
  eventually,
  openClient,
  runCleanup,
  startPair,
  watch,
} from './lab.fixture.js';

const cleanup: Cleanup = [];
afterEach(() => runCleanup(cleanup));

const CHECK = { intervalMs: 50, timeoutMs: 1_000, writeProbe: false } as const;
/** Many intervals. */
const A_WHILE_MS = 500;
const aWhile = () => new Promise((resolve) => setTimeout(resolve, A_WHILE_MS));

/** `name=state` of every event of a server. */
const statesOn = async (server: Server): Promise<string> => {
  const rows = await server.sql('SELECT EVENT_NAME AS name, STATUS AS state FROM information_schema.EVENTS ORDER BY 1');
  return rows.map(({ name, state }) => `${name}=${String(state).replace(/^(SLAVE|REPLICA_)SIDE_/, 'SIDE_')}`).join(' ');
};

/** What the list on that server enables. */
const listedOn = async (server: Server): Promise<string> => {
  const [row] = await server.sql('SELECT events FROM vipd.vipd_events').catch(() => []);
  if (row === undefined) return 'none';
  const list = JSON.parse(String(row.events)) as { readonly name: string; readonly enabled: boolean }[];
  return list.map(({ name, enabled }) => `${name}=${enabled ? 'on' : 'off'}`).join(' ');
};

/** All of an event but where and since when it is enabled. */
const definitionOn = async (server: Server, name: string): Promise<unknown> => {
  const [row] = await server.sql(`SELECT * FROM information_schema.EVENTS WHERE EVENT_NAME = '${name}'`);
  const { STATUS, ORIGINATOR, LAST_ALTERED, LAST_EXECUTED, ...rest } = row ?? {};
  return rest;
};

const schedulerOn = async (server: Server): Promise<boolean> =>
  (await server.sql('SELECT @@global.event_scheduler AS v'))[0]?.v === 'ON';

const eventsOn = { name: 'database-events-on' } as const;
const fence = { name: 'database-fence' } as const;
const open = { name: 'database-open' } as const;
const demote = { name: 'database-demote', force: false, timeoutMs: 10_000 } as const;
const catchUp = { name: 'database-catch-up', target: null, stop: true } as const;

const YEARLY = 'ON SCHEDULE EVERY 1 YEAR';

describe.each(EVERY_KIND)('events of $title', (kind) => {
  /** The first serves and keeps the list; the second is the standby. */
  const startServing = async (...statements: readonly string[]) => {
    const { active, standby } = await startPair(cleanup, kind);
    for (const statement of statements) await active.sql(statement);
    const [here, there] = [watch(cleanup, active, { check: CHECK }), watch(cleanup, standby, { check: CHECK })];
    here.database.start();
    here.database.setServing(true);
    expect(await here.run(eventsOn)).toMatchObject({ ok: true });
    return { active, standby, here, there };
  };

  test('the list of enabled events comes with the position, and a promotion enables exactly those', async () => {
    const { active, standby, here, there } = await startServing(
      "CREATE USER evt@localhost IDENTIFIED BY 'x'; GRANT ALL ON shop.* TO evt@localhost",
      `SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES', time_zone = '+05:00', NAMES latin1;
       CREATE DEFINER=evt@localhost EVENT shop."wo\`rk" ${YEARLY} STARTS '2030-01-01 00:00:00' ENDS '2035-01-01 00:00:00'
       ON COMPLETION PRESERVE COMMENT 'once a year' DO INSERT INTO "orders" (v) VALUES (1)`,
      `CREATE EVENT shop.rest ${YEARLY} DISABLE DO DO 1`,
    );
    await eventually(async () => (await listedOn(standby)) === 'rest=off wo`rk=on');
    expect(await statesOn(standby)).toBe('rest=SIDE_DISABLED wo`rk=SIDE_DISABLED');

    here.database.setServing(false);
    expect(await here.run(demote)).toMatchObject({ ok: true });
    expect(await schedulerOn(active)).toBe(false);
    expect(await there.run(catchUp)).toMatchObject({ ok: true });
    expect(await there.run(open)).toMatchObject({ ok: true });
    const before = await standby.position();
    expect(await there.run(eventsOn)).toEqual({ ok: true, detail: 'event scheduler on' });
    expect(await statesOn(standby)).toBe('rest=SIDE_DISABLED wo`rk=ENABLED');
    expect(await schedulerOn(standby)).toBe(true);
    expect(await definitionOn(standby, 'wo`rk')).toEqual(await definitionOn(active, 'wo`rk'));
    expect(await standby.position()).toBe(before);
  });

  test('what an operator disables on the active stays disabled when the other one is promoted, and back', async () => {
    const { active, standby, here, there } = await startServing(
      `CREATE EVENT shop.one ${YEARLY} DO DO 1; CREATE EVENT shop.two ${YEARLY} DO DO 1`,
      `CREATE EVENT shop.rest ${YEARLY} DISABLE DO DO 1`,
    );
    await eventually(async () => (await listedOn(standby)) === 'one=on rest=off two=on');
    here.database.setServing(false);
    await here.run(demote);
    await there.run(catchUp);
    await there.run(open);
    there.database.start();
    there.database.setServing(true);
    expect(await there.run(eventsOn)).toMatchObject({ ok: true });
    expect(await statesOn(standby)).toBe('one=ENABLED rest=SIDE_DISABLED two=ENABLED');

    // On the old active both are enabled still; it replicates again.
    expect(await here.run({ name: 'database-follow', activePosition: await standby.position() })).toMatchObject({
      ok: true,
    });
    await standby.sql(
      'ALTER EVENT shop.two DISABLE; DROP EVENT shop.one; CREATE EVENT shop.three ON SCHEDULE EVERY 1 YEAR DO DO 1',
    );
    there.database.setServing(false);
    // No waiting: a planned demotion writes the list itself.
    expect(await there.run(demote)).toMatchObject({ ok: true });
    // What replication has disabled here is as the last active had it.
    expect(await listedOn(standby)).toBe('rest=off three=on two=off');
    await here.run({ ...catchUp, target: await standby.position() });
    await here.run(open);
    expect(await here.run(eventsOn)).toMatchObject({ ok: true });
    expect(await statesOn(active)).toBe('rest=DISABLED three=ENABLED two=SIDE_DISABLED');
  });

  test('an event that was disabled outside of the binary log is disabled where it was enabled once', async () => {
    const { active, here } = await startServing(`CREATE EVENT shop.one ${YEARLY} DO DO 1`);
    await eventually(async () => (await listedOn(active)) === 'one=on');
    await active.sql(`UPDATE vipd.vipd_events SET events = '[{"schema":"shop","name":"one","enabled":false}]'`);
    here.database.setServing(false);
    expect(await here.run(eventsOn)).toMatchObject({ ok: true });
    expect(await statesOn(active)).toBe('one=DISABLED');
  });

  test('one that came after the list is left as it is, and said until somebody sees to it', async () => {
    const { active, standby, here, there } = await startServing(`CREATE EVENT shop.one ${YEARLY} DO DO 1`);
    await eventually(async () => (await listedOn(standby)) === 'one=on');
    await here.run(fence);
    here.database.setServing(false);
    await active.sql(`${kind.openForAccounts}; SET GLOBAL read_only=OFF; CREATE EVENT shop.new ${YEARLY} DO DO 1`);
    await there.run(catchUp);
    await there.run(open);
    there.database.start();
    there.database.setServing(true);
    const outcome = await there.run(eventsOn);
    expect(outcome).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/shop\.new: it is newer than the last list/),
    });
    expect(await statesOn(standby)).toBe('new=SIDE_DISABLED one=ENABLED');
    expect(await schedulerOn(standby)).toBe(true);
    await aWhile();
    expect(there.database.events.problem).toMatch(/shop\.new/);
    await standby.sql('ALTER EVENT shop.new ENABLE');
    await eventually(() => there.database.events.problem === '');
    await eventually(async () => (await listedOn(standby)) === 'new=on one=on');
  });

  test('until its events are placed a server that serves says nothing of them, nor after it is fenced', async () => {
    const { active, here } = await startServing(`CREATE EVENT shop.one ${YEARLY} DO DO 1`);
    await eventually(async () => (await listedOn(active)) === 'one=on');
    await here.run(fence);
    here.database.setServing(false);
    await here.run(open);
    await active.sql('ALTER EVENT shop.one DISABLE');
    here.database.setServing(true);
    await aWhile();
    expect(await listedOn(active)).toBe('one=on');
  });

  test('a list that waits while the server is made read-only is not written any more', async () => {
    const { active, here } = await startServing(`CREATE EVENT shop.one ${YEARLY} DO DO 1`);
    await eventually(async () => (await listedOn(active)) === 'one=on');
    here.database.setServing(false);
    await active.sql('ALTER EVENT shop.one DISABLE');
    const [holder, agent] = [await openClient(cleanup, active, 'root'), await openClient(cleanup, active, 'vipd')];
    const lateFor = async (statement: string) => {
      await holder.query('FLUSH TABLES WITH READ LOCK');
      const waiting = agent.query(statement).catch(() => []);
      await aWhile();
      await holder.query('SET GLOBAL read_only=ON');
      await holder.query('UNLOCK TABLES');
      await waiting;
      return [];
    };
    const ask = async (statement: string) =>
      statement.includes('INSERT') ? await lateFor(statement) : ((await agent.query(statement)) as Row[]);
    const before = await active.position();
    await keepEventList(ask);
    expect(await active.position()).toBe(before);
  });

  test('the scheduler of a standby is switched off when it is found on', async () => {
    const { standby, there } = await startServing();
    there.database.start();
    await standby.sql('SET GLOBAL event_scheduler=ON');
    await eventually(async () => !(await schedulerOn(standby)));
  });

  test('a fence ends the events that run', async () => {
    const { active, here } = await startServing('CREATE EVENT shop.long ON SCHEDULE EVERY 1 SECOND DO DO SLEEP(1000)');
    const runs = () =>
      active.sql(`SELECT 1 FROM ${kind.processList} WHERE INFO LIKE '%SLEEP(1000)%' AND ID <> CONNECTION_ID()`);
    await eventually(async () => (await runs()).length > 0);
    here.database.setServing(false);
    expect(await here.run(fence)).toMatchObject({ ok: true });
    await eventually(async () => (await runs()).length === 0);
  });

  // MariaDB enables an event whose definer is gone; it fails when it runs.
  if (kind.name === 'mysql')
    test('where an event cannot be enabled the others are, and it stays on the list for the other server', async () => {
      const { standby, here, there } = await startServing(
        "CREATE USER gone@localhost IDENTIFIED BY 'x'",
        `CREATE DEFINER=gone@localhost EVENT shop.bad ${YEARLY} DO DO 1; CREATE EVENT shop.good ${YEARLY} DO DO 1`,
      );
      await eventually(async () => (await listedOn(standby)) === 'bad=on good=on');
      await alone(standby, 'DROP USER gone@localhost');
      here.database.setServing(false);
      await here.run(demote);
      await there.run(catchUp);
      await there.run(open);
      there.database.start();
      there.database.setServing(true);
      expect(await there.run(eventsOn)).toMatchObject({
        ok: false,
        detail: expect.stringMatching(/shop\.bad: ALTER .*1227/),
      });
      expect(await statesOn(standby)).toBe('bad=SIDE_DISABLED good=ENABLED');
      await aWhile();
      expect(there.database.events.problem).toMatch(/shop\.bad/);
      expect(await listedOn(standby)).toBe('bad=on good=on');
    });
});
