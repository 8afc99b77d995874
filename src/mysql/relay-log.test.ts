import { describe, expect, test } from 'vitest';
import type { Row } from './connection.js';
import { createGroupReader, nextLog, readRelayLogs } from './relay-log.js';

describe('createGroupReader', () => {
  test('counts transactions and DDL, and not one that was cut off', () => {
    const reader = createGroupReader();
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
      reader.read(type, info);
    }
    expect(reader.position()).toBe('mariadb:0-1-6,0-2-7');
  });
});

describe('readRelayLogs', () => {
  test('goes on from one log to the next until there is none', async () => {
    const asked: string[] = [];
    const ask = (sql: string): Promise<readonly Row[]> => {
      asked.push(sql);
      if (sql.startsWith('SHOW SLAVE'))
        return Promise.resolve([{ Relay_Log_File: 'relay.000009', Relay_Log_Pos: 200 }]);
      if (sql.includes('relay.000011')) return Promise.reject(Object.assign(new Error('no such log'), { errno: 1220 }));
      const sequence = sql.includes('relay.000009') ? 1 : 2;
      return Promise.resolve([
        { Pos: 4, Event_type: 'Gtid', Info: `BEGIN GTID 0-1-${sequence}` },
        { Pos: 90, Event_type: 'Xid', Info: 'COMMIT' },
      ]);
    };
    expect(await readRelayLogs(ask)).toBe('mariadb:0-1-2');
    expect(asked[1]).toContain("'relay.000009' FROM 200");
    expect(asked[2]).toContain("'relay.000010' FROM 4");
  });

  test('a log name keeps its width', () => {
    expect(nextLog('relay.000009')).toBe('relay.000010');
    expect(nextLog('host-relay-bin.999999')).toBe('host-relay-bin.1000000');
  });
});
