/** Where the two servers of a group listen, as the configuration tells. */

import type { VipdConfig } from '../config/types.js';
import type { Target } from './connection.js';

/** This host's, with its extra door. */
export const localTarget = ({ mysql }: Pick<VipdConfig, 'mysql'>): Target => ({
  ...(mysql.local.kind === 'socket'
    ? { socket: mysql.local.path }
    : { host: mysql.local.host, port: mysql.local.port }),
  ...(mysql.adminPort === null ? {} : { adminPort: mysql.adminPort }),
});

export const peerTarget = ({ peer, mysql }: VipdConfig): Target => ({ host: peer.address, port: mysql.port });
