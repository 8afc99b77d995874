import { describe, expect, test } from 'vitest';
import type { Row } from './connection.js';
import { isReadOnly } from './flavour.js';
import { lastOfEachDomain, openMariadb } from './mariadb.js';

/** A server that answers by the beginning of the question. */
const answers =
  (table: Readonly<Record<string, readonly Row[]>>) =>
  (sql: string): Promise<readonly Row[]> =>
    Promise.resolve(Object.entries(table).find(([start]) => sql.startsWith(start))?.[1] ?? []);

const open = (table: Readonly<Record<string, readonly Row[]>> = {}) =>
  openMariadb('10.11.19-MariaDB', answers({ 'SHOW GLOBAL VARIABLES': [], 'SELECT IFNULL(ENUM': [], ...table }));

const CHANNEL: Row = {
  Slave_IO_Running: 'Yes',
  Slave_SQL_Running: 'Yes',
  Seconds_Behind_Master: 0,
  Using_Gtid: 'Slave_Pos',
  Gtid_IO_Pos: '0-1-120',
  Master_Server_Id: 1,
  Last_IO_Errno: 0,
  Last_SQL_Errno: 0,
};

describe('capabilities', () => {
  test('from 12.0 the strongest word for read-only', async () => {
    expect((await open()).readOnlyOn).toBe('SET GLOBAL read_only=ON');
    const newer = await open({ 'SELECT IFNULL(ENUM': [{ words: 'OFF,ON,NO_LOCK,NO_LOCK_NO_ADMIN' }] });
    expect(newer.readOnlyOn).toBe("SET GLOBAL read_only='NO_LOCK_NO_ADMIN'");
  });

  test('from 12.0 a weaker word is read-only, and not shut to privileged clients', async () => {
    const newer = await open({ 'SELECT IFNULL(ENUM': [{ words: 'OFF,ON,NO_LOCK,NO_LOCK_NO_ADMIN' }] });
    const says = (v: string) => answers({ 'SELECT @@global.read_only': [{ v }] });
    expect(await newer.readReadOnly(says('NO_LOCK'))).toBe(true);
    expect(await newer.readShut(says('NO_LOCK'))).toBe(false);
    expect(await newer.readShut(says('ON'))).toBe(false);
    expect(await newer.readShut(says('NO_LOCK_NO_ADMIN'))).toBe(true);
    expect(await (await open()).readShut(says('1'))).toBe(true);
  });

  test('a disabled event scheduler is left alone', async () => {
    expect((await open()).events).toBeDefined();
    const off = await open({ 'SHOW GLOBAL VARIABLES': [{ Variable_name: 'event_scheduler', Value: 'DISABLED' }] });
    expect(off.events).toBeUndefined();
  });

  test.each([
    ['0', false],
    ['OFF', false],
    ['1', true],
    ['ON', true],
    ['NO_LOCK', true],
    ['NO_LOCK_NO_ADMIN', true],
  ])('@@read_only %s', (value, readOnly) => expect(isReadOnly(value)).toBe(readOnly));
});

describe('status', () => {
  const status = async (row: Row, channel?: Row) =>
    (await open()).readStatus(
      answers({ 'SELECT @@global.read_only': [row], 'SHOW SLAVE STATUS': channel === undefined ? [] : [channel] }),
    );

  test('the position names every server of the binlog state, sorted, and what a clone was given', async () => {
    const { position } = await status({ read_only: 1, binlog_state: '0-2-90,0-1-100', slave_pos: '0-3-40' });
    expect(position).toBe('mariadb:0-1-100,0-2-90,0-3-40');
  });

  test('an empty server has an empty position of its flavour', async () => {
    expect((await status({ read_only: 0, binlog_state: '', slave_pos: '' })).position).toBe('mariadb:');
  });

  test('received is what was applied and what lies in the relay log', async () => {
    const { channel } = await status({ read_only: 1, binlog_state: '0-1-100,0-2-90', slave_pos: '0-1-100' }, CHANNEL);
    expect(channel).toMatchObject({
      io: 'running',
      sql: 'running',
      lagMs: 0,
      received: 'mariadb:0-1-120,0-2-90',
      filters: false,
    });
  });

  test.each([
    [
      'connecting, with its error',
      { Slave_IO_Running: 'Connecting', Last_IO_Errno: 2003, Last_IO_Error: 'no route' },
      { io: 'connecting', receiverError: 'no route' },
    ],
    ['between two events', { Slave_IO_State: 'Waiting for master to send event' }, { receiverWaits: true }],
    ['with an event in hand', { Slave_IO_State: 'Queueing master event to the relay log' }, { receiverWaits: false }],
    ['preparing', { Slave_IO_Running: 'Preparing' }, { io: 'connecting' }],
    [
      'applier stopped by an error',
      { Slave_SQL_Running: 'No', Last_SQL_Errno: 1062, Last_SQL_Error: 'Duplicate' },
      { sql: 'stopped', error: 'Duplicate' },
    ],
    [
      'receiver stopped by an error',
      { Slave_IO_Running: 'No', Last_IO_Errno: 1236, Last_IO_Error: 'purged' },
      { io: 'stopped', error: 'purged' },
    ],
    ['filters', { Replicate_Ignore_DB: 'test' }, { filters: true }],
    ['without GTIDs', { Using_Gtid: 'No' }, { error: expect.stringContaining('MASTER_USE_GTID') }],
  ])('channel: %s', async (_, row, expected) => {
    const { channel } = await status({ read_only: 1, binlog_state: '', slave_pos: '' }, { ...CHANNEL, ...row });
    expect(channel).toMatchObject(expected);
  });

  test('the error of a receiver that tried again until it was told to stop is not a stopping error', async () => {
    const row = {
      ...CHANNEL,
      Slave_IO_Running: 'No',
      Slave_SQL_Running: 'No',
      Last_IO_Errno: 2003,
      Last_IO_Error: 'error reconnecting',
    };
    const { channel } = await status({ read_only: 1, binlog_state: '', slave_pos: '' }, row);
    expect(channel).toMatchObject({ sql: 'stopped', receiverError: 'error reconnecting' });
    expect(channel).not.toHaveProperty('error');
  });

  test('an error that stopped nothing is not a stopping error', async () => {
    const row = {
      ...CHANNEL,
      Slave_IO_Running: 'Connecting',
      Last_IO_Errno: 2003,
      Last_IO_Error: 'no route',
      Seconds_Behind_Master: null,
    };
    const { channel } = await status({ read_only: 1, binlog_state: '', slave_pos: '' }, row);
    expect(channel).not.toHaveProperty('error');
    expect(channel).not.toHaveProperty('lagMs');
  });
});

describe('replica position', () => {
  test('one GTID for each domain: the highest', () => {
    expect(lastOfEachDomain('0-1-100,0-2-90,1-2-5')).toBe('0-1-100,1-2-5');
    expect(lastOfEachDomain('0-1-9,0-2-10')).toBe('0-2-10');
    expect(lastOfEachDomain('')).toBe('');
  });

  test.each([
    ['wrote as the owner', '0-1-120', '0-2-100', "SET GLOBAL gtid_slave_pos='0-1-120'"],
    ['agrees', '0-1-120', '0-1-120', undefined],
    ['a clone, whose binary log is younger', '', '0-1-120', undefined],
    ['never set back', '0-1-90', '0-1-120', undefined],
  ])('alignment: %s', async (_, binlog, slave, expected) => {
    const ask = answers({ 'SELECT @@global.gtid_binlog_pos': [{ binlog_pos: binlog, slave_pos: slave }] });
    expect(await (await open()).realign(ask)).toBe(expected);
  });
});
