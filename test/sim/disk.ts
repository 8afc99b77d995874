/** Where a voter's record lives: written one at a time, the latest of those that wait, as the agent's store does it. */

import type { VoterRecord } from '../../src/core/types.js';

export interface Disk {
  /** What a start would read; null: nothing that can be read. */
  record: VoterRecord | null;
  /** Under way: not yet known to be durable. */
  writing: Write | null;
  /** Waits for the one under way. */
  next: Write | null;
  slowUpToMs: number;
  full: number;
}

export interface Write {
  record: VoterRecord;
  readonly waiters: number[];
}

export const createDisk = (): Disk => ({ record: null, writing: null, next: null, slowUpToMs: 0, full: 0 });

/** Adds a save. True: nothing is being written, so the caller begins. */
export const enqueue = (disk: Disk, id: number, record: VoterRecord): boolean => {
  if (disk.next) {
    disk.next.record = record;
    disk.next.waiters.push(id);
    return false;
  }
  disk.next = { record, waiters: [id] };
  return disk.writing === null;
};

/** The next write, now under way. */
export const begin = (disk: Disk): Write | null => {
  disk.writing = disk.next;
  disk.next = null;
  return disk.writing;
};

/** What a crash leaves of a write under way: the old record, the new one, or one that cannot be read. */
export type Remains = 'old' | 'new' | 'torn';

export const crash = (disk: Disk, remains: Remains): void => {
  if (disk.writing && remains === 'new') disk.record = disk.writing.record;
  if (remains === 'torn') disk.record = null;
  disk.writing = null;
  disk.next = null;
};
