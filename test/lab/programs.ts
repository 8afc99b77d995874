/** Where the built programs are that a lab starts, whether the lab itself was built or is run from its source. */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = (from: string): string => {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no package.json above the lab: it is run from the project only');
  return projectRoot(parent);
};

export const ROOT = projectRoot(dirname(fileURLToPath(import.meta.url)));

const built = (path: string): string => join(ROOT, 'dist', path);

export const VIPD = built('run/vipd.js');
export const VIPCTL = built('run/vipctl.js');
export const LOAD_CLIENT = built('test/lab/load-client.js');
export const REGISTERS_CLIENT = built('test/registers/client.js');
export const LAB_SERVER = built('test/lab/server.js');
export const PAIRS = built('test/bench/pairs.js');

/** As the kernel would run it by its first line, which has options for Node; with this Node, whatever `env` finds. */
export const runVipd = (): readonly string[] => {
  const [first = ''] = readFileSync(VIPD, 'utf8').split('\n');
  const options = /^#!\/usr\/bin\/env -S node (.+)$/.exec(first)?.[1] ?? '';
  return [process.execPath, ...options.split(' ').filter((option) => option !== ''), VIPD];
};
