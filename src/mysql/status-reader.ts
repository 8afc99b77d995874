/** Reads a server's status for the probe: what moves by itself each time, the rest where it may have changed. */

import type { Instant, Millis } from '../core/types.js';
import type { Ask, Flavour, ServerStatus } from './flavour.js';

export interface StatusReader {
  /** Rejects with what `ask` rejects with; then everything is read next time. */
  read(flavour: Flavour, ask: Ask, now: Instant): Promise<ServerStatus>;
  /** Something was done to the server, or may have happened to it: everything is read next time. */
  expire(): void;
}

/**
 * Channel and semi-sync while no transaction comes: an idle server is asked one question in most polls, and a pair of them
 * costs next to nothing.
 */
const WHOLE_EVERY_MS: Millis = 500;

export const createStatusReader = (): StatusReader => {
  let last: ServerStatus | undefined;
  let wholeAt: Instant = Number.NEGATIVE_INFINITY;
  let expired = false;

  const readWhole = async (flavour: Flavour, ask: Ask, now: Instant): Promise<ServerStatus> => {
    const before = last?.position;
    last = undefined;
    wholeAt = now;
    expired = false;
    const whole = await flavour.readStatus(ask);
    // Where transactions come, what the channel has received is asked with each of them.
    expired ||= whole.position !== before;
    return whole;
  };

  const readState = async (flavour: Flavour, ask: Ask, known: ServerStatus): Promise<ServerStatus> => {
    last = undefined;
    const state = await flavour.readState(ask);
    expired ||= state.position !== known.position || state.readOnly !== known.readOnly;
    return { ...known, ...state };
  };

  return {
    read: async (flavour, ask, now) => {
      const known = expired || now - wholeAt >= WHOLE_EVERY_MS ? undefined : last;
      last = known ? await readState(flavour, ask, known) : await readWhole(flavour, ask, now);
      return last;
    },
    expire: () => {
      expired = true;
    },
  };
};
