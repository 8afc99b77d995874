/** Which server the checks of a database look at, and what it should be. */

import type { VipdConfig } from '../config/types.js';

export const ASK_MS = 3_000;

export interface ServerSubject {
  /** In sentences: "the database", or "the database of db2". */
  readonly where: string;
  /** The account that the agent logs in with. */
  readonly user: string;
  readonly semiSync: boolean;
  /** Where it should replicate from. */
  readonly source: { readonly name: string; readonly address: string };
  /** As the configuration tells it; null: none, or not this server's. */
  readonly adminPort: number | null;
}

export const ownServer = (config: VipdConfig, user: string): ServerSubject => ({
  where: 'the database',
  user,
  semiSync: config.mysql.semiSync === 'manage',
  source: config.peer,
  adminPort: config.mysql.adminPort,
});

export const peerServer = (config: VipdConfig, user: string): ServerSubject => ({
  ...ownServer(config, user),
  where: `the database of ${config.peer.name}`,
  source: config.self,
  adminPort: null,
});
