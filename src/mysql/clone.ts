/** MySQL's clone plugin: what it needs, how it is begun here, and how far it is (MySQL manual, The Clone Plugin). */

import { statfs } from 'node:fs/promises';
import { quoteText } from './connection.js';
import { type Address, type Ask, number, text } from './flavour.js';
import type { Link } from './links.js';
import { PROMPT_MS } from './step.js';

/** The server that is copied, and the login to it: that of the agent's user. */
export interface Donor extends Address {
  readonly user: string;
  readonly password: string;
}

export interface CloneStatus {
  readonly state: 'none' | 'running' | 'completed' | 'failed';
  /** Tells one clone from another; empty: there was none. */
  readonly begun: string;
  readonly error: string;
}

const STATUS = `SELECT STATE AS state, CAST(BEGIN_TIME AS CHAR) AS begun, ERROR_MESSAGE AS error
  FROM performance_schema.clone_status`;
const PROGRESS = `SELECT SUM(DATA) AS copied, SUM(ESTIMATE) AS expected,
    SUM(STAGE = 'DROP DATA' AND STATE <> 'Not Started') AS deletes FROM performance_schema.clone_progress`;
const PLUGIN = `SELECT PLUGIN_STATUS AS state FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'`;
const DATA_DIRECTORY = 'SELECT @@global.datadir AS datadir';
const BYTES = 'SELECT IFNULL(SUM(FILE_SIZE), 0) AS bytes FROM information_schema.INNODB_TABLESPACES';
/** Clone leaves them empty. The server's own logs are such tables, and nobody's data. */
const OTHER_ENGINES = `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name FROM information_schema.TABLES
  WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB'
    AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')`;

const NAMED_TABLES = 5;
/** It reads the dictionary, of however many tables there are. */
const DICTIONARY_MS = 60_000;
/** All of the data comes over the network meanwhile; the same bound as for an answer over the agents' channel. */
const CLONE_MS = 43_200_000;
/** ER_RESTART_SERVER_FAILED: all is there, and nobody will start the server again, which shuts down. */
export const NOT_SUPERVISED = 3707;

export const CLONE_GRANT = 'GRANT CLONE_ADMIN ON *.* TO';
export const DONOR_GRANT = 'GRANT BACKUP_ADMIN ON *.* TO';

/** Before anything is deleted here. @throws Error that says what has to be changed, or DatabaseError */
export const assertCloneable = async (here: Link, there: Link): Promise<void> => {
  const [mine, theirs] = [here.flavour.version, there.flavour.version];
  if (series(mine) !== series(theirs))
    throw new Error(
      `the active runs MySQL ${theirs} and this node ${mine}: install the same series here, then try again`,
    );
  await assertPlugin(here, 'this node');
  await assertPlugin(there, 'the active');
  const others = await there.session.query(OTHER_ENGINES, DICTIONARY_MS);
  if (others.length > 0) {
    const names = others.slice(0, NAMED_TABLES).map((row) => text(row, 'name'));
    throw new Error(
      `CLONE copies InnoDB alone, and the active has ${others.length} other tables (${names.join(', ')}): ALTER TABLE … ENGINE=InnoDB there, or rebuild this node by hand`,
    );
  }
  await assertRoom(here, there);
};

const series = (version: string): string => version.split('.').slice(0, 2).join('.');

const assertPlugin = async ({ session }: Link, where: string): Promise<void> => {
  const [row] = await session.query(PLUGIN, PROMPT_MS);
  if (text(row, 'state') !== 'ACTIVE')
    throw new Error(
      `${where} has no clone plugin: INSTALL PLUGIN clone SONAME 'mysql_clone.so' there, as root, with super_read_only off for it; see "quarantined" in docs/operating.md`,
    );
};

/** What is here goes before the copy comes. */
const assertRoom = async (here: Link, there: Link): Promise<void> => {
  const bytesOf = async ({ session }: Link) => number((await session.query(BYTES, DICTIONARY_MS))[0], 'bytes');
  const directory = await readDataDirectory(here);
  const { bavail, bsize } = await statfs(directory);
  const [needed, room] = [await bytesOf(there), (await bytesOf(here)) + bavail * bsize];
  if (needed > room)
    throw new Error(`the active has ${needed} bytes of data, and ${directory} has room for ${room} without its own`);
};

/** Where the server's files lie. */
export const readDataDirectory = async ({ session }: Link): Promise<string> =>
  text((await session.query(DATA_DIRECTORY, PROMPT_MS))[0], 'datadir');

/** What was cloned here last. It outlives the restart that ends a clone. @throws DatabaseError */
export const readCloneStatus = async (ask: Ask): Promise<CloneStatus> => {
  const [row] = await ask(STATUS);
  const state = STATES.get(text(row, 'state')) ?? 'none';
  return { state, begun: text(row, 'begun'), error: text(row, 'error') };
};

const STATES: ReadonlyMap<string, CloneStatus['state']> = new Map([
  ['Not Started', 'running'],
  ['In Progress', 'running'],
  ['Completed', 'completed'],
  ['Failed', 'failed'],
]);

/** Of the newest clone. */
export interface CloneProgress {
  /** Bytes. */
  readonly copied: number;
  readonly expected: number;
  /** Data of this server may be gone. */
  readonly deletes: boolean;
}

export const readCloneProgress = async (ask: Ask): Promise<CloneProgress> => {
  const [row] = await ask(PROGRESS);
  return { copied: number(row, 'copied'), expected: number(row, 'expected'), deletes: number(row, 'deletes') > 0 };
};

/**
 * Deletes the data of this server, copies the donor's, and restarts. `read_only` stays; the stronger kind forbids the
 * plugin to drop this server's tables (error 1290). Encrypted, whatever the servers ask for.
 * @throws DatabaseError; of kind `lost` or with NOT_SUPERVISED it may have ended well
 */
export const cloneInstance = async ({ session, flavour }: Link, donor: Donor): Promise<void> => {
  const { host, port, user, password } = donor;
  const from = `${quoteText(user)}@${quoteText(host)}:${port}`;
  await session.query(`SET GLOBAL clone_valid_donor_list=${quoteText(`${host}:${port}`)}`, PROMPT_MS);
  await session.query(flavour.salvage.openForAgent ?? 'DO 0', PROMPT_MS);
  const statement = `CLONE INSTANCE FROM ${from} IDENTIFIED BY ${quoteText(password)} REQUIRE SSL`;
  await session.query(statement, CLONE_MS, `CLONE INSTANCE FROM ${from}`);
};
