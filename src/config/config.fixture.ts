/** Real files in a directory of the test's own: a sound configuration, to be spoilt in one place at a time. */

import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** 32 bytes 0x00 … 0x1f. */
export const KEY_HEX = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('hex');

export interface ConfigFixture {
  readonly directory: string;
  readonly path: (name: string) => string;
  /** Writes a file of that mode and returns its path. */
  readonly write: (name: string, content: string | Buffer, mode?: number) => string;
  /** A sound vipd.yaml; line by line, so that tests can name lines. */
  readonly agentYaml: string;
  readonly witnessYaml: string;
  readonly remove: () => void;
}

export const createConfigFixture = (): ConfigFixture => {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'vipd-config-'));
  const path = (name: string): string => join(directory, name);
  const write = (name: string, content: string | Buffer, mode = 0o600): string => {
    writeFileSync(path(name), content);
    // Beside the umask, which would take bits away.
    chmodSync(path(name), mode);
    return path(name);
  };
  write('key', `${KEY_HEX}\n`);
  write('mysql.cnf', '[client]\nuser=vipd\n');
  write('disk', '#!/bin/sh\n', 0o755);
  return {
    directory,
    path,
    write,
    agentYaml: agentYaml(directory),
    witnessYaml: witnessYaml(directory),
    remove: () => rmSync(directory, { recursive: true }),
  };
};

const agentYaml = (directory: string): string => `group: orders
node: db1
nodes:
  db1: { address: 10.99.0.1, priority: 100 }
  db2: { address: 10.99.0.2, priority: 90 }
witnesses:
  - { name: w1, address: 10.99.0.3 }
key_file: ${directory}/key
vip:
  - { address: 10.99.0.100/24, interface: eth0 }
heartbeat:
  interval: 100ms
  dead_after: 3
mysql:
  defaults_file: ${directory}/mysql.cnf
checks:
  - name: disk
    command: [${directory}/disk, /var/lib/mysql]
gateways: [10.99.0.254]
`;

const witnessYaml = (directory: string): string => `name: w1
listen: 10.99.0.3
groups:
  - name: orders
    nodes: [db1, db2]
    key_file: ${directory}/key
`;
