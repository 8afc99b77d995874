/** Waits for a condition, with a deadline and the last thing seen in the error. */

import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/** What was found: `true` and a value, or why not yet. */
export type Seen<T> = { readonly done: true; readonly value: T } | { readonly done: false; readonly seen: string };

/** Ask again and again until it is done. An error thrown while asking counts as "not yet". */
export const waitForValue = async <T>(
  ask: () => Promise<Seen<T>> | Seen<T>,
  what: string,
  deadlineMs: number,
): Promise<T> => {
  const start = performance.now();
  let seen = 'nothing yet';
  for (;;) {
    try {
      const answer = await ask();
      if (answer.done) return answer.value;
      seen = answer.seen;
    } catch (error) {
      seen = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() - start > deadlineMs) throw new Error(`${what}: not within ${deadlineMs} ms; last: ${seen}`);
    await sleep(POLL_MS);
  }
};

/** Wait until `holds` answers true. It may answer a text instead, to say what it saw. */
export const waitFor = (
  holds: () => Promise<boolean | string> | boolean | string,
  what: string,
  deadlineMs: number,
): Promise<void> =>
  waitForValue(
    async (): Promise<Seen<undefined>> => {
      const answer = await holds();
      return answer === true ? { done: true, value: undefined } : { done: false, seen: String(answer) };
    },
    what,
    deadlineMs,
  );
