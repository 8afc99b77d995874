/** What a test has to know of a family of servers: how it is installed and configured, and its words for replication. */

/** Lines of my.cnf; `true` writes the bare name, `false` leaves out what would be there. */
export type ServerSettings = Readonly<Record<string, string | number | boolean>>;

export type Row = Readonly<Record<string, unknown>>;

/** Where one server of a pair reaches the other. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
  /** Default: the right one. */
  readonly password?: string;
}

export const REPLICATION_USER = 'repl';
export const REPLICATION_PASSWORD = 'repl-secret';

/** The channel as the server shows it, in the same words for both families. */
export interface ChannelRow {
  readonly receiver: string;
  readonly applier: string;
  readonly applierErrno: number;
  /** What lies in the relay logs, applied or not, as the server writes positions. */
  readonly received: string;
}

export interface ServerKind {
  readonly name: 'mariadb' | 'mysql';
  readonly title: 'MariaDB' | 'MySQL';
  /** Program names in PATH, or paths. */
  readonly server: string;
  readonly client: string;
  readonly binlog: string;
  /** A directory of its programs, where they are not in PATH. */
  readonly programs?: string;
  /** Group of my.cnf. */
  readonly section: string;
  /** my.cnf as a vipd node has it (mysql.md), made small for a test machine. */
  settings(serverId: number): ServerSettings;
  /** Names the version, for the template's name. @throws Error where the server is not installed. */
  version(): Promise<string>;
  /** Where the template of the data directory is kept. */
  readonly templateParent: string;
  /** Make this empty directory a data directory with root@localhost without password. */
  install(directory: string): Promise<void>;
  /** What tells two copies of one template apart. */
  individualise(dataDirectory: string, serverId: number): Promise<void>;

  /** Makes this fresh server hold what many others committed long ago: a position of more than a kilobyte. */
  readonly longHistory: readonly string[];
  readonly openForAccounts: string;
  readonly closeAfterAccounts: string;
  readonly replicationAccount: readonly string[];
  pointAt(peer: PeerAddress): string;
  readonly startReplica: string;
  readonly stopReplica: string;
  readonly startReceiver: string;
  readonly stopReceiver: string;
  readonly startApplier: string;
  readonly stopApplier: string;
  readonly showReplica: string;
  channelOf(row: Row | undefined): ChannelRow;
  /** One row whose column `position` is the body of a position. */
  readonly position: string;
  /** The nth transaction of that server, as the server names it. */
  gtid(serverId: number, n: number): string;
  /** Its first n transactions, as the agent writes a position. */
  firstOf(serverId: number, n: number): string;
  /** Options of `binlog` for everything after the first n of that server. */
  binlogAfter(serverId: number, n: number): readonly string[];
  readonly semiSyncOn: string;
  /** What the agent says where nobody acknowledges any more: commits that wait may be let go from here on. */
  readonly semiSyncEnds: string;
  /** The variable that is ON where it waits for its standby. */
  readonly semiSyncVariable: string;
  readonly semiSyncClients: string;
  /** Table with ID, USER, COMMAND, STATE, INFO. */
  readonly processList: string;
  /** STATE of a session that waits for the standby's acknowledgement, as a pattern. */
  readonly semiSyncWait: string;
  /** The privilege to KILL others' sessions. */
  readonly connectionAdmin: string;
  /** Settings that leave a door open when `max_connections` is used up. */
  extraDoor(port: number): ServerSettings;
}
