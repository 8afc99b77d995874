/** Logins that only an operator has: the administrator of the local server, and passwords from files or the terminal. */

import { readFile, stat } from 'node:fs/promises';
import type { VipdConfig } from '../../config/types.js';
import { describeTarget } from '../../mysql/connection.js';
import { type Credentials, loadCredentials } from '../../mysql/credentials.js';
import { asDatabaseError } from '../../mysql/errors.js';
import { type Link, openLink } from '../../mysql/links.js';
import { localTarget } from '../../mysql/target.js';
import { CommandError } from './local-node.js';
import type { Terminal } from './terminal.js';

const LOGIN_MS = 5_000;
const SETUP_MS = 5_000;
/** Nothing of it reaches a binary log, and a backslash in a text means what mysql2 takes it for. */
const SESSION = ["SET SESSION sql_mode = ''", 'SET SESSION sql_log_bin = 0'];

/** A login as often as it is called. */
export type Administrator = () => Promise<Link>;

/**
 * By `file` (my.cnf form), else as root: over the socket, where the server asks who we are and for no password, else with
 * one that is typed. @throws CommandError
 */
export const findAdministrator = async (
  config: VipdConfig,
  file: string | undefined,
  terminal: Terminal,
): Promise<Administrator> => {
  const credentials = file === undefined ? { user: 'root', password: '' } : await loadCredentials(file);
  try {
    (await login(config, credentials)).session.destroy();
    return () => login(config, credentials);
  } catch (cause) {
    const failure = asDatabaseError(cause, 'login');
    if (failure.kind !== 'denied' || file !== undefined || !terminal.promptSecret)
      throw new CommandError(
        `${failure.message}; name an administrator's login: --admin-file FILE, in the form of ${config.mysql.defaultsFile}`,
      );
  }
  const where = describeTarget(localTarget(config));
  const password = await terminal.promptSecret(`Password of root at ${where}: `);
  const typed = { ...credentials, password };
  (await login(config, typed)).session.destroy();
  return () => login(config, typed);
};

const login = async (config: VipdConfig, credentials: Credentials): Promise<Link> => {
  const link = await openLink(localTarget(config), credentials, LOGIN_MS);
  try {
    for (const statement of SESSION) await link.session.query(statement, SETUP_MS);
    return link;
  } catch (error) {
    link.session.destroy();
    throw error;
  }
};

const GROUP_AND_OTHERS = 0o077;
/** SOURCE_PASSWORD holds no more (MySQL manual, CHANGE REPLICATION SOURCE TO). */
const MAX_PASSWORD_CHARS = 32;

/** From the first line of a file that nobody else may read, or typed. Null: nobody is here to type it. @throws CommandError */
export const readReplicationPassword = async (file: string | undefined, terminal: Terminal): Promise<string | null> => {
  if (file !== undefined) return usable(await readSecret(file), file);
  if (!terminal.promptSecret) return null;
  return usable(await terminal.promptSecret('Password of the replication account, the same on both nodes: '), 'it');
};

const usable = (password: string, what: string): string => {
  if (password === '') throw new CommandError(`the replication password is empty: ${what} must hold one`);
  if (password.length > MAX_PASSWORD_CHARS || /\p{Cc}/u.test(password))
    throw new CommandError(`the replication password may have ${MAX_PASSWORD_CHARS} printable characters at most`);
  return password;
};

const readSecret = async (path: string): Promise<string> => {
  const { mode } = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new CommandError(`cannot read the password in ${path}: ${cause.code ?? cause.message}`);
  });
  if ((mode & GROUP_AND_OTHERS) !== 0)
    throw new CommandError(`${path} may be read by others than its owner; run: chmod 600 ${path}`);
  return (await readFile(path, 'utf8')).split(/\r?\n/)[0] ?? '';
};
