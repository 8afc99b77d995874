/** What `vipd cleanup` needs of the configuration in force, kept by the agent: its file may be broken by then. */

import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type FileSystem, readProtected, realFiles } from '../config/files.js';
import type { VipdConfig } from '../config/types.js';
import { replaceFile } from '../host/durable-file.js';

/** No key and no password: those stay in the files that it names. */
export type KeptConfig = Pick<VipdConfig, 'group' | 'guard' | 'vips' | 'standbyVip' | 'mysql' | 'control'>;

/** Another version of vipd may read it, after an upgrade. */
const FORMAT = 1;

const NAME_DIGITS = 12;

/** Beside control socket and lock; of several agents with their sockets there, each has its own. */
const keptPath = (directory: string, configPath: string): string => {
  const name = createHash('sha256').update(resolve(configPath)).digest('hex').slice(0, NAME_DIGITS);
  return join(directory, `in-force-${name}.json`);
};

/** `configPath`: the file that it was read from. Rejects with the system's error; then none is kept, rather than an old one. */
export const keepConfig = async (configPath: string, config: KeptConfig): Promise<void> => {
  const { group, guard, vips, standbyVip, mysql, control } = config;
  const kept: KeptConfig = { group, guard, vips, standbyVip, mysql, control };
  const path = keptPath(dirname(control.socket), configPath);
  try {
    await replaceFile(path, `${JSON.stringify({ format: FORMAT, config: kept })}\n`);
  } catch (error) {
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  }
};

/** The one kept in the first of the directories that has one; null: none has, or another than the agent may have written it. */
export const readKeptConfig = (
  configPath: string,
  directories: readonly string[],
  daemonAccounts: readonly number[],
): KeptConfig | null => {
  const files: FileSystem = { ...realFiles(), daemonAccounts };
  for (const directory of directories) {
    const bytes = readProtected(files, keptPath(directory, configPath), 'secret');
    const kept = bytes.ok ? parse(bytes.value.toString('utf8')) : null;
    if (kept !== null) return kept;
  }
  return null;
};

/** The agent is ours: its word for the format is enough. */
const parse = (text: string): KeptConfig | null => {
  try {
    const value: unknown = JSON.parse(text);
    const known = typeof value === 'object' && value !== null && 'format' in value && value.format === FORMAT;
    return known && 'config' in value ? (value.config as KeptConfig) : null;
  } catch {
    return null;
  }
};
