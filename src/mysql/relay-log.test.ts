import { describe, expect, test } from 'vitest';
import type { Row } from './connection.js';
import { createGroupReader, nextLog, readRelayLogs } from './relay-log.js';

const event = (type: string, info: string, start = 0, log = 'relay.000001') => ({ type, info, start, log });

describe('createGroupReader', () => {
  test('counts transactions and DDL, and not one that was cut off', () => {
    const reader = createGroupReader('mariadb:');
    for (const [type, info] of [
      ['Format_desc', 'Server ver: 10.11'],
      ['Gtid', 'BEGIN GTID 0-1-5'],
      ['Query', 'use `shop`; INSERT INTO t VALUES (1)'],
      ['Query', 'COMMIT'],
      ['Gtid', 'GTID 0-1-6'],
      ['Query', 'use `shop`; CREATE TABLE u (id INT)'],
      ['Gtid', 'BEGIN GTID 0-2-7 cid=9'],
      ['Write_rows_v1', 'flags: STMT_END_F'],
      ['Xid', 'COMMIT /* xid=7 */'],
      ['Gtid', 'BEGIN GTID 0-1-8'],
      ['Write_rows_v1', 'flags: STMT_END_F'],
    ] as const) {
      reader.read(event(type, info));
    }
    expect(reader.stored).toBe('mariadb:0-1-6,0-2-7');
  });

  test('tells where the first begins that was not had', () => {
    const reader = createGroupReader('mariadb:0-1-5');
    reader.read(event('Gtid', 'BEGIN GTID 0-1-5', 300));
    reader.read(event('Xid', 'COMMIT', 400));
    expect(reader.missing).toBeUndefined();
    reader.read(event('Gtid', 'BEGIN GTID 0-1-6', 500));
    reader.read(event('Xid', 'COMMIT', 600));
    reader.read(event('Gtid', 'BEGIN GTID 0-1-7', 4, 'relay.000002'));
    expect(reader.missing).toEqual({ log: 'relay.000001', start: 500 });
  });
});

/** ER_ERROR_WHEN_EXECUTING_COMMAND, with the words of a 10.11. */
const notShown = (why: string) =>
  Object.assign(new Error(`Error when executing command SHOW BINLOG EVENTS: ${why}`), { errno: 1220 });
const noSuchLog = () => notShown('Could not find target log');
const torn = () => notShown('Wrong offset or I/O error');

const STOOD = [{ Relay_Log_File: 'relay.000009', Relay_Log_Pos: 200 }];

describe('readRelayLogs', () => {
  test('goes on from one log to the next until there is none', async () => {
    const asked: string[] = [];
    const ask = (sql: string): Promise<readonly Row[]> => {
      asked.push(sql);
      if (sql.startsWith('SHOW SLAVE')) return Promise.resolve(STOOD);
      if (sql.includes('relay.000011')) return Promise.reject(noSuchLog());
      const sequence = sql.includes('relay.000009') ? 1 : 2;
      return Promise.resolve([
        { Pos: 4, Event_type: 'Gtid', Info: `BEGIN GTID 0-1-${sequence}` },
        { Pos: 90, Event_type: 'Xid', Info: 'COMMIT' },
      ]);
    };
    const all = { files: ['relay.000009', 'relay.000010'], start: 4 };
    expect(await readRelayLogs(ask, 'mariadb:')).toEqual({ stored: 'mariadb:0-1-2', unapplied: all });
    expect(asked[1]).toContain("'relay.000009' FROM 200");
    expect(asked[2]).toContain("'relay.000010' FROM 4");
    expect((await readRelayLogs(ask, 'mariadb:0-1-1')).unapplied).toEqual({ files: ['relay.000010'], start: 4 });
    expect((await readRelayLogs(ask, 'mariadb:0-1-2')).unapplied).toBeUndefined();
  });

  test('reads all that stands before a torn end, of whose page the server shows nothing', async () => {
    const events = [1, 2, 3].flatMap((sequence) => [
      { Pos: sequence * 100, Event_type: 'Gtid', Info: `BEGIN GTID 0-1-${sequence}` },
      { Pos: sequence * 100 + 50, Event_type: 'Xid', Info: 'COMMIT' },
    ]);
    const ask = (sql: string): Promise<readonly Row[]> => {
      if (sql.startsWith('SHOW SLAVE')) return Promise.resolve(STOOD);
      if (!sql.includes('relay.000009')) return Promise.reject(noSuchLog());
      const [, from = 0, skip = 0, limit = 0] = (/FROM (\d+) LIMIT (\d+), (\d+)/.exec(sql) ?? []).map(Number);
      const rest = events.filter(({ Pos }) => Pos >= from).slice(skip);
      return rest.length < limit ? Promise.reject(torn()) : Promise.resolve(rest.slice(0, limit));
    };
    const { stored } = await readRelayLogs(ask, 'mariadb:');
    expect(stored).toBe('mariadb:0-1-3');
  });

  test('a log name keeps its width', () => {
    expect(nextLog('relay.000009')).toBe('relay.000010');
    expect(nextLog('host-relay-bin.999999')).toBe('host-relay-bin.1000000');
  });
});
