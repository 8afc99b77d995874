import { describe, expect, test } from 'vitest';
import type { ServerSession } from './flavour.js';
import { clientSessions, countIdleLockHolders, describeSessions, EVENT_WORKER, nameAccounts } from './sessions.js';

const session = (id: number, user: string, command = 'Sleep', statement = ''): ServerSession => ({
  id,
  user,
  host: 'localhost',
  command,
  state: '',
  seconds: 3,
  statement,
});

describe('clientSessions', () => {
  test("spares the server's own threads, replication, the agent, and who has not logged in; not an event that runs", () => {
    const sessions = [
      session(1, 'system user', 'Slave_SQL'),
      session(2, 'event_scheduler', 'Daemon'),
      session(9, EVENT_WORKER, 'Connect', 'UPDATE t'),
      session(3, 'repl', 'Binlog Dump'),
      session(4, 'repl', 'Binlog Dump GTID'),
      session(5, 'vipd'),
      session(6, 'unauthenticated user', 'Connect'),
      session(7, 'app'),
      session(8, 'root', 'Query', 'SELECT 1'),
    ];
    expect(clientSessions(sessions, 'vipd').map(({ id }) => id)).toEqual([9, 7, 8]);
  });
});

describe('describeSessions', () => {
  test('names five, and counts the rest', () => {
    const text = describeSessions(Array.from({ length: 7 }, (_, i) => session(i + 1, 'app')));
    expect(text).toContain('session 5 of app@localhost, for 3 s, idle (Sleep)');
    expect(text).toMatch(/; and 2 more$/);
  });
});

describe('nameAccounts', () => {
  test('names each account once, without the port of its client, and counts those beyond five', () => {
    const from = (host: string, user = 'app') => ({ ...session(1, user), host });
    const two = [from('10.0.0.9:4711'), from('10.0.0.9:4712'), from('localhost', 'root')];
    expect(nameAccounts(two)).toBe('app@10.0.0.9, root@localhost');
    const many = Array.from({ length: 7 }, (_, i) => from(`10.0.0.${i}:4711`));
    expect(nameAccounts(many)).toMatch(/^app@10\.0\.0\.0, .*app@10\.0\.0\.4, and 2 more$/);
  });
});

describe('countIdleLockHolders', () => {
  test('counts transactions that have not started and have tables in use', () => {
    const monitor = [
      '------------\nTRANSACTIONS\n------------',
      '---TRANSACTION (0x7f3295409680), not started\nmysql tables in use 1, locked 1\n0 lock struct(s), heap size 1128',
      '---TRANSACTION (0x7f3295408b80), not started\n0 lock struct(s), heap size 1128',
      '---TRANSACTION 421, ACTIVE 2 sec inserting\nmysql tables in use 1, locked 1\nMariaDB thread id 9',
      '--------\nFILE I/O',
    ].join('\n');
    expect(countIdleLockHolders(monitor)).toBe(1);
  });
});
