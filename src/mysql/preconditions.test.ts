import { describe, expect, test } from 'vitest';
import { GOOD_MARIADB } from './preconditions.fixture.js';
import { preconditionsOf, remedyFor, setStatement, unmetBy } from './preconditions.js';

const unmet = (changes: Readonly<Record<string, string>>, semiSync = true) =>
  unmetBy(new Map(Object.entries({ ...GOOD_MARIADB, ...changes })), preconditionsOf('mariadb', semiSync));

describe('preconditions', () => {
  test('a server that has them all is told nothing', () => expect(unmet({})).toEqual([]));

  test.each([
    [{ sync_binlog: '0' }, 'write sync_binlog = 1 into my.cnf, and, to have it at once, SET GLOBAL sync_binlog = 1'],
    [{ log_bin: 'OFF' }, 'write log_bin = binlog into my.cnf, and restart the server'],
    [
      // The server's default.
      { slave_net_timeout: '60' },
      'write slave_net_timeout = 4 into my.cnf, and, to have it at once, SET GLOBAL slave_net_timeout = 4; STOP SLAVE IO_THREAD; START SLAVE IO_THREAD',
    ],
    [{ auto_increment_increment: '1' }, 'SET GLOBAL auto_increment_increment = 2'],
    [{ binlog_format: 'mixed' }, "SET GLOBAL binlog_format = 'ROW'"],
  ])('%o is told with what to do', (change, remedy) => {
    const found = unmet(change);
    expect(found).toHaveLength(1);
    expect(found.map(remedyFor).join()).toContain(remedy);
  });

  test('numbers may be better than what is advised', () => {
    expect(unmet({ slave_net_timeout: '1', auto_increment_increment: '10' })).toEqual([]);
  });

  test('semi-sync counts only where vipd manages it', () => {
    const off = { rpl_semi_sync_slave_enabled: 'OFF' };
    expect([unmet(off).length, unmet(off, false).length]).toEqual([1, 0]);
  });

  test('a variable that the server does not have: the plugin is named, and nothing can be SET', () => {
    const absent = unmetBy(new Map(), preconditionsOf('mysql', true)).filter(({ name }) => name.startsWith('rpl_'));
    expect(absent.map(setStatement)).toEqual([undefined, undefined]);
    expect(absent.map(remedyFor)[0]).toContain('plugin_load = semisync_source.so;semisync_replica.so and');
  });

  test('older names of a variable count', () => {
    const older = unmetBy(new Map([['log_slave_updates', 'OFF']]), preconditionsOf('mysql', false));
    expect(older.find(({ name }) => name.startsWith('log_'))?.name).toBe('log_bin');
    expect(older.map(({ name }) => name)).toContain('log_slave_updates');
  });
});
