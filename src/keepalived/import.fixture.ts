/** The configurations in golden/, each with what its operator says beside it. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImportHost, ImportOptions } from './import.js';

export const GOLDEN = join(import.meta.dirname, 'golden');

export interface Case {
  readonly name: string;
  readonly file: string;
  readonly expected: string;
  readonly options: ImportOptions;
}

const BARE: ImportOptions = {
  node: { name: 'db1', address: null },
  peer: null,
  witness: null,
  gateway: null,
  instances: [],
};

/** Whatever is not here is imported without a word beside the file. */
const OPTIONS: Readonly<Record<string, Partial<ImportOptions>>> = {
  'notify-scripts': { peer: { name: 'db2', address: '10.20.0.12' }, gateway: '10.20.0.254' },
  'unicast-cloud': { peer: { name: 'db2', address: null }, witness: { name: 'w1', address: '10.0.1.13' } },
  'sync-group': { peer: { name: 'db2', address: null }, witness: { name: 'w1', address: '192.0.2.13' } },
  'one-file-for-both': { peer: { name: 'db2', address: null }, witness: { name: 'w1', address: '10.30.0.13' } },
  'tracks-everything': {
    node: { name: 'db1', address: '10.50.0.11' },
    peer: { name: 'db2', address: '10.50.0.12' },
    gateway: '10.50.0.254',
  },
  'one-instance-of-three': { peer: { name: 'db2', address: null }, instances: ['DB'] },
};

export const CASES: readonly Case[] = readdirSync(GOLDEN).map((name) => ({
  name,
  file: join(GOLDEN, name, 'keepalived.conf'),
  expected: join(GOLDEN, name, 'vipd.yaml'),
  options: { ...BARE, ...OPTIONS[name] },
}));

const PROGRAMS = ['mysql', 'killall', 'kill', 'ping', 'pgrep'];

/** The files as they are, on a host that is the same everywhere. */
export const HOST: ImportHost = {
  files: { read: (path) => readFileSync(path, 'utf8'), list: (directory) => readdirSync(directory) },
  addressesOf: (link) => (link === 'eth0' ? ['192.168.10.11'] : []),
  findProgram: (name) => (PROGRAMS.includes(name) ? `/usr/bin/${name}` : null),
};
