/** Reads what a disk may never answer: one read at a time, and nobody waits longer than its deadline. */

/** Who may wait for a turn. Past it a read is refused at once. */
const MAX_WAITING = 16;

export interface DiskReader {
  /**
   * Rejects at the deadline, or as `read` does. `what` begins the message. A read that got no turn by its deadline is never
   * begun: a hung disk holds one thread of libuv's pool, of which there are four, and the voter's record needs one.
   */
  readonly read: <T>(what: string, timeoutMs: number, read: () => Promise<T>) => Promise<T>;
}

export const createDiskReader = (): DiskReader => {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return {
    read: (what, timeoutMs, read) => {
      if (waiting >= MAX_WAITING) return Promise.reject(new Error(`${what}: ${waiting} others wait for the disk`));
      waiting += 1;
      return new Promise((resolve, reject) => {
        let turn: 'waiting' | 'begun' | 'late' = 'waiting';
        const timer = setTimeout(() => {
          const why = turn === 'begun' ? 'no answer' : 'an earlier read has had no answer, and this one was not begun,';
          turn = 'late';
          reject(new Error(`${what}: ${why} within ${timeoutMs} ms; does the disk hang?`));
        }, timeoutMs);
        last = last.then(async () => {
          waiting -= 1;
          if (turn === 'late') return;
          turn = 'begun';
          await read().then(resolve, reject);
          clearTimeout(timer);
        });
      });
    },
  };
};
