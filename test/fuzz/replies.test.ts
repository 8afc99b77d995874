import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Row, Session } from '../../src/mysql/connection.js';
import { detectFlavour } from '../../src/mysql/detect.js';
import { DatabaseError } from '../../src/mysql/errors.js';
import type { Ask, Flavour, ServerStatus } from '../../src/mysql/flavour.js';
import { missingGrants } from '../../src/mysql/grants.js';
import { clientSessions, countIdleLockHolders, describeSessions } from '../../src/mysql/sessions.js';
import { budget, deadlineMs } from './budget.js';

const TIMEOUT = { timeout: deadlineMs(30_000) } as const;
const REPLIES = 12;

/** What mysql2 can hand out for a column, and words that servers, proxies and newer versions have put there. */
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, undefined, 0, 1, -1, Number.NaN, 1e300, '18446744073709551615', '', 'Yes', 'No', 'Preparing'),
  fc.constantFrom('ON', 'OFF', 'NO_LOCK_NO_ADMIN', 'DISABLED', 'NULL', '-5', '0x1f', '1e400', '3.5', "a'b"),
  fc.constantFrom(
    '0-1-10',
    '0-1-10,0-2-3',
    '0-1-99999999999999999999',
    '0-1',
    ',,',
    'uuid:1-5',
    'relay.000009',
    '0-1-10\n,1-1-1',
  ),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }),
  fc.date(),
  fc.boolean(),
  fc.uint8Array({ maxLength: 20 }).map((raw) => Buffer.from(raw)),
  fc.string({ unit: 'binary', maxLength: 30 }),
);

/** Every column that any statement reads: what a reply has beside those of its own is not looked at. */
const COLUMNS = [
  ...['version', 'comment', 'read_only', 'super_read_only', 'binlog_state', 'slave_pos', 'binlog_pos', 'v', 'words'],
  ...[
    'gtid_executed',
    'gtid',
    'reached',
    'Variable_name',
    'Value',
    'Channel_Name',
    'Retrieved_Gtid_Set',
    'Auto_Position',
  ],
  ...[
    'Slave_IO_Running',
    'Slave_SQL_Running',
    'Seconds_Behind_Master',
    'Master_Server_Id',
    'Gtid_IO_Pos',
    'Using_Gtid',
  ],
  ...['Replica_IO_Running', 'Replica_SQL_Running', 'Seconds_Behind_Source', 'Source_Server_Id', 'Relay_Log_File'],
  ...['Relay_Log_Pos', 'Last_IO_Errno', 'Last_IO_Error', 'Last_SQL_Errno', 'Last_SQL_Error', 'Replicate_Do_DB'],
  ...['id', 'user', 'host', 'command', 'state', 'seconds', 'statement', 'changed', 'mode', 'data', 'Status', 'what'],
  ...['Event_type', 'Info', 'Pos', 'End_log_pos'],
];

const row: fc.Arbitrary<Row> = fc.dictionary(fc.constantFrom(...COLUMNS), value, {
  maxKeys: COLUMNS.length,
  size: 'max',
});
const replies = fc.array(fc.array(row, { maxLength: 3 }), { minLength: 1, maxLength: REPLIES });

/** A server that answers any statement with the next of these, over and over. */
const askFrom = (rows: readonly (readonly Row[])[]): Ask => {
  let asked = 0;
  return async () => rows[asked++ % rows.length] ?? [];
};

const sessionOf = (ask: Ask): Session => ({
  id: 1,
  alive: true,
  query: (sql) => ask(sql),
  onLost: () => undefined,
  destroy: () => undefined,
});

const settled = async <T>(work: Promise<T>): Promise<T | null> => {
  try {
    return await work;
  } catch (error) {
    // The only kind of failure that its callers tell apart, and say what to do about.
    if (error instanceof DatabaseError) return null;
    throw error;
  }
};

/** What goes into a BEAT as it is: a value that no frame can carry would silence the node. */
const expectSendable = ({ position, channel }: ServerStatus): void => {
  expect(typeof position).toBe('string');
  if (channel) expect(typeof channel.received).toBe('string');
};

const flavourOf = async (name: Flavour['name'], rows: readonly (readonly Row[])[]): Promise<Flavour | null> => {
  const version = { version: name === 'mariadb' ? '10.11.6-MariaDB' : '8.4.3', comment: 'server' };
  const rest = askFrom(rows);
  let first = true;
  return settled(
    detectFlavour(
      sessionOf(async (sql) => {
        if (!first) return rest(sql);
        first = false;
        return [version];
      }),
      1_000,
    ),
  );
};

describe.each(['mariadb', 'mysql'] as const)('what a server answers as %s', (name) => {
  it('becomes a status that fits into a frame, or an error of its own kind', TIMEOUT, async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(replies, async (rows) => {
        const flavour = await flavourOf(name, rows);
        const status = flavour && (await settled(flavour.readStatus(askFrom(rows))));
        if (!status) return;
        read += 1;
        expectSendable(status);
      }),
      budget(300),
    );
    expect(read).toBeGreaterThan(30);
  });

  it('names sessions, blockers, privileges and relay logs, whatever is in its rows', TIMEOUT, async () => {
    await fc.assert(
      fc.asyncProperty(replies, async (rows) => {
        const flavour = await flavourOf(name, rows);
        if (!flavour) return;
        const sessions = (await settled(flavour.listSessions(askFrom(rows)))) ?? [];
        expect(typeof describeSessions(clientSessions(sessions, 'vipd'))).toBe('string');
        for (const { id, seconds } of sessions) expect([id, seconds].every(Number.isFinite)).toBe(true);
        await settled(flavour.findBlockers(askFrom(rows), 5));
        await settled(flavour.readRelayLogs(askFrom([...rows, []]), ''));
        const statement = await settled(flavour.realign(askFrom(rows)));
        // It is run as it is: nothing of a reply may end its quotation.
        if (typeof statement === 'string') expect(statement).toMatch(/^[^']*'[\d,:a-f-]*'$/i);
        for (const { privilege } of missingGrants(name, rows.flat())) expect(privilege).not.toBe('');
      }),
      budget(200),
    );
  });
});

it('counts locks in any text of a monitor', TIMEOUT, () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('---TRANSACTION', ' not started\n', 'mysql tables in use 1', '\n', 'x')),
      (parts) => {
        expect(countIdleLockHolders(parts.join(''))).toBeGreaterThanOrEqual(0);
      },
    ),
    budget(300),
  );
});
