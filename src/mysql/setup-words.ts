/** The statements by which an operator makes a pair replicate, in each family's words; secrets are kept out of what is shown. */

import { escape as literal } from 'mysql2';
import { type Ask, byName, type Flavour } from './flavour.js';
import { REPLICA_CONTROL_MS } from './step.js';

export interface Statement {
  readonly sql: string;
  /** Without its secret; as it is where it has none. */
  readonly shown: string;
  readonly deadlineMs: number;
}

/** Of an account: `'user'@'host'`. */
export interface Account {
  readonly user: string;
  readonly host: string;
}

export interface ChannelWish {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

export interface SetupWords {
  /** Deletes the binary logs, and with them what the server knows to have committed. */
  readonly resetBinlogs: Statement;
  /** Takes `super_read_only` off while `read_only` stays, and back; absent where administrators may write anyway. */
  readonly openForAdmin?: { readonly open: Statement; readonly shut: Statement };
  /** MySQL only, else empty: gtid_mode goes through four values, one at a time. */
  readonly gtidsOn: readonly Statement[];
  /** MySQL only, else empty. */
  readonly installSemiSync: readonly Statement[];
  changeSource(wish: ChannelWish, password: string): Statement;
}

/** Files of binary logs are deleted. */
const RESET_MS = 60_000;
const QUICK_MS = 5_000;

export const statement = (sql: string, deadlineMs: number = QUICK_MS, shown: string = sql): Statement => ({
  sql,
  shown,
  deadlineMs,
});

export const accountName = ({ user, host }: Account): string => `${literal(user)}@${literal(host)}`;

const HIDDEN = "'…'";

export const createAccount = (account: Account, password: string): Statement => {
  const make = `CREATE USER ${accountName(account)} IDENTIFIED BY `;
  return statement(`${make}${literal(password)}`, QUICK_MS, `${make}${HIDDEN}`);
};

/** @throws DatabaseError */
export const setupWordsOf = async (flavour: Flavour, ask: Ask): Promise<SetupWords> =>
  flavour.name === 'mariadb' ? MARIADB : await mysqlWords(flavour, ask);

const MARIADB: SetupWords = {
  resetBinlogs: statement('RESET MASTER', RESET_MS),
  gtidsOn: [],
  installSemiSync: [],
  changeSource: ({ host, port, user }, password) => {
    const text = (secret: string): string =>
      `CHANGE MASTER TO MASTER_HOST = ${literal(host)}, MASTER_PORT = ${port}, MASTER_USER = ${literal(user)}, MASTER_PASSWORD = ${secret}, MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 1`;
    return statement(text(literal(password)), REPLICA_CONTROL_MS, text(HIDDEN));
  },
};

const mysqlWords = async ({ configureChannel }: Flavour, ask: Ask): Promise<SetupWords> => {
  // 8.2 brought RESET BINARY LOGS AND GTIDS together with this statement; 8.4 knows nothing else.
  const newer = await ask('SHOW BINARY LOG STATUS').then(
    () => true,
    () => false,
  );
  const word = configureChannel.includes('REPLICATION SOURCE') ? 'SOURCE' : 'MASTER';
  const variables = byName(await ask(`SHOW GLOBAL VARIABLES LIKE 'super_read_only'`));
  return {
    resetBinlogs: statement(newer ? 'RESET BINARY LOGS AND GTIDS' : 'RESET MASTER', RESET_MS),
    ...(variables.get('super_read_only') === 'ON'
      ? {
          openForAdmin: {
            open: statement('SET GLOBAL super_read_only = OFF'),
            shut: statement('SET GLOBAL super_read_only = ON'),
          },
        }
      : {}),
    gtidsOn: ['OFF_PERMISSIVE', 'ON_PERMISSIVE', 'ON'].map((mode) => statement(`SET GLOBAL gtid_mode = ${mode}`)),
    installSemiSync: ['source', 'replica'].map((role) => {
      const older = role === 'source' ? 'master' : 'slave';
      const name = word === 'SOURCE' ? role : older;
      return statement(`INSTALL PLUGIN rpl_semi_sync_${name} SONAME 'semisync_${name}.so'`);
    }),
    changeSource: ({ host, port, user }, password) => {
      // TLS: caching_sha2_password fails with error 2061 else. Since 8.4 a receiver gives up after ten attempts.
      const text = (secret: string): string =>
        `${configureChannel} ${word}_HOST = ${literal(host)}, ${word}_PORT = ${port}, ${word}_USER = ${literal(user)}, ${word}_PASSWORD = ${secret}, ${word}_AUTO_POSITION = 1, ${word}_SSL = 1, ${word}_CONNECT_RETRY = 1, ${word}_RETRY_COUNT = 86400, ${word}_HEARTBEAT_PERIOD = 1`;
      return statement(text(literal(password)), REPLICA_CONTROL_MS, text(HIDDEN));
    },
  };
};
