/** Rules on servers and their ports: one way to the database, and no TCP port for two of them. */

import { type Problem, renderPath, wrongAt } from './problem.js';
import type { VipdFile } from './schema.js';

export const checkPorts = (file: Partial<VipdFile>): readonly Problem[] => [
  ...checkDatabaseAddress(file),
  ...checkTcpPorts(file),
];

const checkDatabaseAddress = ({ mysql }: Partial<VipdFile>): readonly Problem[] => {
  if (mysql?.socket === undefined || mysql.host === undefined) return [];
  return [
    wrongAt(['mysql', 'host'], 'stands beside socket, and only one of them can be used', 'remove one of the two'),
  ];
};

/** Heartbeats are UDP and cannot collide with these. */
const checkTcpPorts = ({ agents, http, mysql }: Partial<VipdFile>): readonly Problem[] => {
  const listeners = [
    { path: ['mysql', 'port'], port: mysql?.port },
    { path: ['mysql', 'admin_port'], port: mysql?.admin_port },
    { path: ['agents', 'port'], port: agents?.port },
    { path: ['http', 'listen'], port: http?.listen.port },
  ];
  return listeners.flatMap(({ path, port }, index) => {
    const earlier = listeners.slice(0, index).find((other) => port !== undefined && other.port === port);
    if (earlier === undefined) return [];
    return [wrongAt(path, `TCP port ${port} is also that of ${renderPath(earlier.path)}`, 'choose another port')];
  });
};
