/** Looks after the server's events: put in force by a promotion, listed while active, the scheduler kept off on the standby. */

import type { Outcome } from '../core/event.js';
import { asDatabaseError } from './errors.js';
import {
  describeFaults,
  type EventFaults,
  enableListed,
  keepEventList,
  makeEventList,
  standingFaults,
} from './events.js';
import type { Ask, Flavour } from './flavour.js';
import type { Link, Links } from './links.js';
import { askCommand, failed, PROMPT_MS, type StepContext } from './step.js';

export interface EventKeeperOptions {
  readonly links: Links;
  /** Asked at each turn: they may change meanwhile. */
  readonly settings: () => { readonly intervalMs: number; readonly timeoutMs: number };
  /** There is a server to look at. */
  readonly isUp: () => boolean;
  /** Work in the queue of the steps. */
  readonly inTurn: (work: (link: Link) => Promise<void>) => Promise<void>;
  readonly warn: (text: string) => void;
}

export interface EventKeeper {
  start(): void;
  stop(): void;
  setServing(serving: boolean): void;
  /** The step of a promotion: listed events and the scheduler on; from then on the list is kept. */
  place(context: StepContext): Promise<Outcome>;
  /** Before a planned demotion makes the server read-only: the list as it is now. Never rejects. */
  conclude(context: StepContext): Promise<void>;
  /** A fence is coming, which must not wait for hundreds of events. */
  giveUp(): void;
  /** What should run on this active and does not, or what its successor would not learn; empty: nothing. */
  readonly problem: string;
  /** An operator has seen it. */
  acknowledge(): void;
}

/**
 * A commit that waits for its standby's acknowledgement is left waiting, and no second one is sent; past this it is given
 * up. The agent switches semi-sync off much earlier.
 */
const STUCK_WRITE_MS = 600_000;

export const createEventKeeper = (options: EventKeeperOptions): EventKeeper => {
  const { links, settings } = options;
  let serving = false;
  /** Before its events were placed what is enabled on a server may be from long ago, and belongs into no list. */
  let placed = false;
  let unplaced = '';
  let unkept = '';
  let faults: EventFaults = new Map();
  let givingUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  const place = async (ask: Ask, flavour: Flavour, signal: AbortSignal): Promise<Outcome> => {
    givingUp = new AbortController();
    const anySignal = AbortSignal.any([signal, givingUp.signal]);
    try {
      faults = await placeEvents(ask, flavour, () => anySignal.throwIfAborted());
      placed = !anySignal.aborted;
      unplaced = '';
      const scheduler = flavour.events ? 'event scheduler on' : 'the event scheduler is disabled in the configuration';
      return faults.size === 0 ? { ok: true, detail: scheduler } : failed(`events: ${describeFaults(faults)}`);
    } catch (error) {
      unplaced = anySignal.aborted ? '' : asDatabaseError(error, 'enabling the events').message;
      throw error;
    }
  };

  const keep = async (ask: Ask): Promise<void> => {
    try {
      faults = standingFaults(faults, await keepEventList(ask));
      unkept = '';
    } catch (error) {
      const failure = asDatabaseError(error, 'keeping the list of events');
      if (failure.kind === 'lost' || failure.kind === 'down') return;
      if (unkept !== failure.message) options.warn(failure.message);
      unkept = failure.message;
    }
  };

  const placeAgain = (): Promise<void> =>
    options.inTurn(async ({ session, flavour }) => {
      if (!serving || placed) return;
      await place((sql) => session.query(sql, PROMPT_MS), flavour, new AbortController().signal);
    });

  /** A server that was started with the scheduler on, or another hand. */
  const quieten = async ({ session, flavour }: Link): Promise<void> => {
    const { events } = flavour;
    if (!events || !(await flavour.readEventsOn((sql) => session.query(sql, settings().timeoutMs)))) return;
    await options.inTurn(async (link) => {
      if (serving) return;
      await link.session.query(events.off, PROMPT_MS);
      options.warn('the event scheduler was on although this node does not serve; switched off');
    });
  };

  const look = async (): Promise<void> => {
    try {
      if (!options.isUp()) return;
      const link = await links.get('events', settings().timeoutMs);
      if (!serving) await quieten(link);
      else if (placed) await keep((sql) => link.session.query(sql, STUCK_WRITE_MS));
      else if (unplaced !== '') await placeAgain();
    } catch {
      // What is wrong with the server is the probe's to tell, what with the events is in `problem`.
    }
  };

  const turn = async (): Promise<void> => {
    await look();
    if (timer !== undefined) timer = setTimeout(() => void turn(), settings().intervalMs);
  };

  return {
    start: () => {
      timer = setTimeout(() => void turn(), settings().intervalMs);
    },
    stop: () => {
      clearTimeout(timer);
      timer = undefined;
    },
    setServing: (now) => {
      serving = now;
      faults = new Map();
      unplaced = '';
      unkept = '';
      if (!now) links.drop('events');
    },
    place: (context) => place(askCommand(context), context.flavour, context.signal),
    conclude: async (context) => {
      if (placed) await keep(askCommand(context));
      placed = false;
    },
    giveUp: () => {
      givingUp.abort(new Error('given up, since the server is to be fenced'));
      placed = false;
    },
    get problem() {
      return [describeFaults(faults), unplaced, unkept].filter((text) => text !== '').join('; ');
    },
    acknowledge: () => {
      faults = new Map();
    },
  };
};

const placeEvents = async (ask: Ask, { events }: Flavour, assertWanted: () => void): Promise<EventFaults> => {
  const faults = await enableListed(ask, assertWanted);
  assertWanted();
  if (events) await ask(events.on);
  await makeEventList(ask);
  return faults;
};
