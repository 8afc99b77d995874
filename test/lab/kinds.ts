/** The families of servers that a lab can have. */

import { MARIADB } from './mariadb.js';
import { MYSQL } from './mysql.js';
import type { ServerKind } from './server-kind.js';

export const KINDS = { mariadb: MARIADB, mysql: MYSQL } as const satisfies Record<ServerKind['name'], ServerKind>;
