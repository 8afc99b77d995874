/** How a server's one channel is set up, in the same words for both families. */

import { type Ask, byName, type Flavour, hasFilters, number, text } from './flavour.js';

export interface ChannelSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** MariaDB: Using_Gtid; MySQL: Auto_Position. */
  readonly gtids: boolean;
  readonly tls: boolean;
  readonly connectRetryS: number;
  /** Null: the server does not tell. */
  readonly heartbeatS: number | null;
  /** 0: without end; null: the server does not tell. */
  readonly retryCount: number | null;
  /** Of the source it was last connected to; 0: of none yet. */
  readonly sourceServerId: number;
  readonly filters: boolean;
  /** What stopped a thread, or what the receiver runs into again and again; empty: nothing. */
  readonly error: string;
}

/** Null: no channel is configured. @throws DatabaseError */
export const readChannelSettings = async (ask: Ask, flavour: Flavour['name']): Promise<ChannelSettings | null> => {
  const rows =
    flavour === 'mariadb'
      ? await ask('SHOW SLAVE STATUS')
      : await ask('SHOW REPLICA STATUS').catch(() => ask('SHOW SLAVE STATUS'));
  const row = rows.find((candidate) => text(candidate, 'Channel_Name') === '') ?? rows[0];
  const word = (name: string): string => text(row, `Source_${name}`) || text(row, `Master_${name}`);
  const host = word('Host');
  if (row === undefined || host === '') return null;
  const count = word('Retry_Count');
  return {
    host,
    port: Number(word('Port')),
    user: word('User'),
    gtids: flavour === 'mariadb' ? text(row, 'Using_Gtid') !== 'No' : text(row, 'Auto_Position') === '1',
    tls: word('SSL_Allowed') === 'Yes',
    connectRetryS: number(row, 'Connect_Retry'),
    heartbeatS: await readHeartbeat(ask, flavour),
    retryCount: count === '' ? null : Number(count),
    sourceServerId: Number(word('Server_Id')),
    filters: hasFilters(row),
    error: text(row, 'Last_SQL_Error') || text(row, 'Last_IO_Error'),
  };
};

const readHeartbeat = async (ask: Ask, flavour: Flavour['name']): Promise<number | null> => {
  if (flavour === 'mariadb') {
    const period = byName(await ask(`SHOW GLOBAL STATUS LIKE 'Slave_heartbeat_period'`)).get('slave_heartbeat_period');
    return period === undefined ? null : Number(period);
  }
  const [row] = await ask(
    `SELECT HEARTBEAT_INTERVAL AS period FROM performance_schema.replication_connection_configuration
     WHERE CHANNEL_NAME = ''`,
  );
  return row === undefined ? null : number(row, 'period');
};
