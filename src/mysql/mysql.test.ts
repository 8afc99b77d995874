/** MySQL as no server at hand is: before 8.0.22, which knows none of the newer words, and with the older plugins. */

import { describe, expect, test } from 'vitest';
import { readChannelSettings } from './channel-settings.js';
import type { Row } from './connection.js';
import { DatabaseError } from './errors.js';
import type { Ask } from './flavour.js';
import { openMysql } from './mysql.js';

const UUID = '10990000-0000-4000-8000-000000000001';
const CHANNEL: Row = {
  Channel_Name: '',
  Master_Host: '10.99.0.2',
  Master_Port: 3306,
  Master_UUID: UUID,
  Slave_IO_Running: 'Yes',
  Slave_SQL_Running: 'Yes',
  Seconds_Behind_Master: 2,
  Retrieved_Gtid_Set: `${UUID}:4-9`,
  Auto_Position: 1,
};
const STATE: Row = { read_only: 1, executed: `${UUID}:1-7` };

/** Answers by the beginning of the question, and knows no word with REPLICA in it. */
const older =
  (semiSync: readonly string[] = []): Ask =>
  (sql) => {
    if (/^SHOW REPLICA/.test(sql)) return Promise.reject(new DatabaseError('statement', 1064, 'error 1064'));
    if (sql === 'SHOW SLAVE STATUS') return Promise.resolve([CHANNEL]);
    if (sql.startsWith('SHOW GLOBAL VARIABLES'))
      return Promise.resolve(semiSync.map((name) => ({ Variable_name: name, Value: 'OFF' })));
    if (sql.includes("'Rpl\\_semi\\_sync\\_master\\_%'"))
      return Promise.resolve([
        { Variable_name: 'Rpl_semi_sync_master_status', Value: 'ON' },
        { Variable_name: 'Rpl_semi_sync_master_clients', Value: '1' },
      ]);
    return Promise.resolve(sql.includes('gtid_executed') ? [STATE] : []);
  };

describe('a MySQL that knows SLAVE and MASTER alone', () => {
  test('is spoken to in these words', async () => {
    const { stopReceiver, stopReplica, startReplica, startApplier, configureChannel, dropRelayLogs, clone } =
      await openMysql('8.0.21', older());
    expect([stopReceiver, stopReplica, startReplica, startApplier, configureChannel]).toEqual([
      'STOP SLAVE IO_THREAD',
      'STOP SLAVE',
      'START SLAVE',
      'START SLAVE SQL_THREAD',
      'CHANGE MASTER TO',
    ]);
    expect(dropRelayLogs).toBe('CHANGE MASTER TO MASTER_AUTO_POSITION=1');
    expect(await clone?.readSource(older())).toEqual({ host: '10.99.0.2', port: 3306 });
    expect(clone?.repoint({ host: '10.99.0.3', port: 3306 })).toEqual([
      'STOP SLAVE',
      "CHANGE MASTER TO MASTER_HOST='10.99.0.3', MASTER_PORT=3306, MASTER_BIND='', MASTER_AUTO_POSITION=1",
      'START SLAVE',
    ]);
  });

  test('is understood by the names of its columns', async () => {
    const { channel } = await (await openMysql('8.0.21', older())).readStatus(older());
    expect(channel).toMatchObject({
      io: 'running',
      sql: 'running',
      lagMs: 2_000,
      source: UUID,
      received: `mysql:${UUID}:1-9`,
    });
    expect(await readChannelSettings(older(), 'mysql')).toMatchObject({ host: '10.99.0.2', port: 3306, gtids: true });
  });

  test('of which something else goes wrong is not taken for it', async () => {
    const denied: Ask = (sql) =>
      /^SHOW REPLICA/.test(sql) ? Promise.reject(new DatabaseError('denied', 1227, 'denied')) : older()(sql);
    await expect(openMysql('9.7.0', denied)).rejects.toMatchObject({ errno: 1227 });
  });
});

test('the older plugins are spoken to by their own names', async () => {
  const ask = older(['rpl_semi_sync_master_enabled']);
  const { semiSync, readStatus } = await openMysql('8.0.21', ask);
  expect(semiSync?.on).toEqual([
    'SET GLOBAL rpl_semi_sync_master_wait_no_slave=ON',
    'SET GLOBAL rpl_semi_sync_master_timeout=4294967295',
    "SET GLOBAL rpl_semi_sync_master_wait_point='AFTER_SYNC'",
    'SET GLOBAL rpl_semi_sync_master_enabled=ON',
  ]);
  expect(semiSync?.off).toBe('SET GLOBAL rpl_semi_sync_master_enabled=OFF');
  expect(await readStatus(ask)).toMatchObject({ semiSync: true, semiSyncReplicas: 1 });
  expect((await openMysql('8.0.21', older())).semiSync).toBeUndefined();
});
