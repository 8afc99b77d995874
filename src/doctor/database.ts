/** Checks of the databases: login, privileges, settings now and after a restart, channel; here, and at the peer if it lets us. */

import type { VipdConfig } from '../config/types.js';
import { describeTarget } from '../mysql/connection.js';
import { type Credentials, loadCredentials } from '../mysql/credentials.js';
import { asDatabaseError } from '../mysql/errors.js';
import type { Flavour } from '../mysql/flavour.js';
import { grantStatements, missingGrants } from '../mysql/grants.js';
import { type Link, openLink } from '../mysql/links.js';
import { localTarget, peerTarget } from '../mysql/target.js';
import { checkChannel } from './channel.js';
import { ASK_MS, ownServer, peerServer, type ServerSubject } from './database-subject.js';
import { checkDownstream } from './downstream.js';
import { type Finding, fault, messageOf, ok, skipped } from './finding.js';
import { comparePair, readTraits } from './pair.js';
import { checkSettings, checkStart } from './settings.js';

/** `own`: this node's server, and how the two go together; `both`: the peer's server too, as far as it can be asked. */
export type Scope = 'own' | 'both';

export const checkDatabase = async (config: VipdConfig, scope: Scope): Promise<readonly Finding[]> => {
  const { defaultsFile } = config.mysql;
  const tried = `logged in to the database at ${describeTarget(localTarget(config))}, as ${defaultsFile} says`;
  let credentials: Credentials;
  let link: Link;
  try {
    credentials = await loadCredentials(defaultsFile);
    link = await openLink(localTarget(config), credentials, ASK_MS);
  } catch (cause) {
    return [loginFault(tried, cause)];
  }
  try {
    const subject = ownServer(config, credentials.user);
    return [
      ok('database', tried, `${titleOf(link.flavour)} ${link.flavour.version}`),
      ...(await checkServer(link, subject)),
      ...(await checkStart(link, subject)),
      ...(await checkPeer(config, credentials, link, scope)),
    ];
  } catch (cause) {
    return [skipped('database', tried, messageOf(cause))];
  } finally {
    link.session.destroy();
  }
};

const checkServer = async (link: Link, subject: ServerSubject): Promise<readonly Finding[]> => [
  ...(await checkGrants(link, subject)),
  ...(await checkSettings(link, subject)),
  ...(await checkChannel(link, subject)),
  ...(await checkDownstream(link, subject)),
];

/** Its server may let the agent in from its own host only; then it is asked there. */
const checkPeer = async (
  config: VipdConfig,
  credentials: Credentials,
  own: Link,
  scope: Scope,
): Promise<readonly Finding[]> => {
  const { peer } = config;
  const tried = `logged in to the database of ${peer.name} as ${credentials.user}, to compare the two`;
  let link: Link;
  try {
    link = await openLink(peerTarget(config), credentials, ASK_MS);
  } catch (cause) {
    return [
      skipped('pair', tried, `${messageOf(cause)}; "vipctl replication check" on ${peer.name} tells its own side`),
    ];
  }
  try {
    const there = scope === 'both' ? await checkServer(link, peerServer(config, credentials.user)) : [];
    return [...there, ...comparePair(await readTraits(own), await readTraits(link), peer.name)];
  } catch (cause) {
    return [skipped('pair', tried, messageOf(cause))];
  } finally {
    link.session.destroy();
  }
};

const titleOf = ({ name }: Flavour): string => (name === 'mariadb' ? 'MariaDB' : 'MySQL');

const loginFault = (tried: string, cause: unknown): Finding => {
  const failure = asDatabaseError(cause, 'login');
  switch (failure.kind) {
    case 'down':
    case 'lost':
      return fault(
        'database',
        tried,
        failure.message,
        'start the server, or correct mysql.socket or mysql.host and port',
      );
    case 'denied':
      return fault(
        'database-login',
        tried,
        failure.message,
        'correct user and password, or "vipctl replication setup"; the account must use mysql_native_password or caching_sha2_password, which vipd can log in with',
      );
    case 'full':
      return fault(
        'database-full',
        tried,
        failure.message,
        'configure mysql.admin_port (MariaDB: extra_port) to keep a door open',
      );
    default:
      return fault('database', tried, failure.message, 'see the server’s error log');
  }
};

const checkGrants = async ({ session, flavour }: Link, { where, user }: ServerSubject): Promise<readonly Finding[]> => {
  const tried = `compared the privileges of ${user} in ${where} with what vipd uses`;
  const missing = missingGrants(flavour.name, await session.query('SHOW GRANTS', ASK_MS));
  if (missing.length === 0) return [ok('grants', tried, 'it has them all')];
  const found = missing.map(({ privilege, on, why }) => `${privilege} on ${on} is missing (${why})`).join('; ');
  return [fault('grants', tried, found, grantStatements(flavour.name, `'${user}'@…`).join('; '))];
};
