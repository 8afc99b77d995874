/** Reads the agent's database login from a my.cnf style file that nobody else may read. */

import { readFile, stat } from 'node:fs/promises';
import { type Credentials, CredentialsError, parseCredentials } from '../config/login.js';

export type { Credentials, TlsFiles } from '../config/login.js';

const GROUP_AND_OTHERS = 0o077;

/**
 * Read the `[client]` group of a my.cnf style file.
 * @throws CredentialsError where it or the private key that it names cannot be read, others may read them, or it names no user.
 */
export const loadCredentials = async (path: string): Promise<Credentials> => {
  const hint = 'make it, with a [client] group that has user and password, and chmod 600';
  await assertPrivate(path, 'the database login', 'the database password', hint);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CredentialsError(cannotRead('the database login', path, error), 'let the account that runs this read it');
  });
  const credentials = parseCredentials(text, path);
  const key = credentials.tls?.key;
  if (key !== undefined)
    await assertPrivate(key, `the ssl-key of ${path}`, 'the private key', 'make it, and chmod 600');
  return credentials;
};

const assertPrivate = async (path: string, what: string, secret: string, hint: string): Promise<void> => {
  const mode = await stat(path).then(
    (found) => found.mode & 0o777,
    (error: NodeJS.ErrnoException) => {
      throw new CredentialsError(cannotRead(what, path, error), hint);
    },
  );
  if ((mode & GROUP_AND_OTHERS) === 0) return;
  throw new CredentialsError(
    `${path} has mode ${mode.toString(8).padStart(4, '0')}, so others than its owner may read ${secret}`,
    `run: chmod 600 ${path}`,
  );
};

const cannotRead = (what: string, path: string, error: NodeJS.ErrnoException): string =>
  `cannot read ${what} ${path}: ${error.code ?? error.message}`;
