/** Small disks for state directories and servers: made, filled, emptied, and switched to read-only. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, run } from './command.js';

/** Room for a record and its next version, and for some journal. */
const STATE_SIZE = '256k';
/** For a server of either kind with the binary log of a scenario. */
export const SERVER_SIZE = '512m';
/** Large ones first, which is quick, then what is left. */
const BLOCKS_BYTES = [1_048_576, 4_096];
const BALLAST = 'ballast';
/** A disk, and a read-only view of it. */
const MOUNTS_IN_A_STACK = 2;

/** An empty disk of its own in the place of this directory; it ends with the sandbox. */
export const mountSmallDisk = async (directory: string, size = STATE_SIZE): Promise<void> => {
  await run(['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory]);
};

/** It, and what a test that failed has left on top of it. */
export const unmountDisks = async (directory: string): Promise<void> => {
  for (let count = 0; count < MOUNTS_IN_A_STACK; count += 1) {
    // Lazily: a daemon that was killed may not be gone yet.
    if ((await attempt(['umount', '--lazy', directory])).status !== 0) return;
  }
};

/** To the last byte; answers once nothing more can be written. */
export const fillDisk = async (directory: string): Promise<void> => {
  const file = join(directory, BALLAST);
  for (const bytes of BLOCKS_BYTES) {
    const append = ['oflag=append', 'conv=notrunc'];
    const written = await attempt(['dd', 'if=/dev/zero', `of=${file}`, `bs=${bytes}`, ...append]);
    if (!written.stderr.includes('No space left')) throw new Error(`${directory} is not full: ${written.stderr}`);
  }
};

export const emptyDisk = (directory: string): void => rmSync(join(directory, BALLAST));

/** As the kernel does after an error of the disk. What is open for writing stays so. */
export const makeReadOnly = async (directory: string): Promise<void> => {
  await run(['mount', '--bind', directory, directory]);
  await run(['mount', '-o', 'remount,bind,ro', directory]);
};

export const makeWritable = async (directory: string): Promise<void> => {
  await run(['umount', '--lazy', directory]);
};
