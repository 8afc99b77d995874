/** Joins core and shell: one event at a time in, effects out in their order, a timer for what comes due by itself. */

import type { Effect, JournalEntry, Step } from '../core/effect.js';
import type { Event } from '../core/event.js';
import type { Message } from '../core/message.js';
import { standbyVipUntil } from '../core/standby-vip.js';
import type { NodeState } from '../core/state.js';
import { type Stepped, step } from '../core/step.js';
import type { Instant, Millis, VoterName, VoterRecord } from '../core/types.js';
import { wakeAt } from '../core/wake.js';

/** What the loop lets happen; each returns at once, and its end comes back as an event. */
export interface Shell {
  readonly now: () => Instant;
  readonly send: (to: VoterName, message: Message) => void;
  readonly persist: (record: VoterRecord) => Promise<void>;
  readonly run: (id: number, step: Step) => void;
  readonly cancel: (id: number) => void;
  /** VIP off; asked of the kernel before it returns its promise. */
  readonly vipOff: () => Promise<{ readonly ok: boolean; readonly detail: string }>;
  /** The lease was renewed. False: the guard had shut already. */
  readonly renewed: (leaseUntil: Instant) => boolean;
  /** The same for the standby VIP and its lease. */
  readonly standbyVipOff: () => Promise<{ readonly ok: boolean; readonly detail: string }>;
  readonly standbyVipRenewed: (leaseUntil: Instant) => boolean;
  readonly journal: (entry: JournalEntry) => void;
  readonly reply: (id: number, done: boolean, ok: boolean, text: string) => void;
  /** After every event: what the state has become. */
  readonly settled: (state: NodeState) => void;
  readonly exit: () => void;
  /** The core contradicted itself; the loop has stopped. */
  readonly broken: (error: unknown) => void;
}

export interface Loop {
  readonly begin: (begun: Stepped) => void;
  readonly dispatch: (event: Event) => void;
  readonly state: () => NodeState | null;
  readonly stop: () => void;
}

/** Events that wait while another is carried out; they come from effects that end at once. */
const QUEUE_LIMIT = 10_000;
/** A timer that fires this much early is fired again rather than spun on. */
const TIMER_GRAIN_MS: Millis = 0.5;
/** Nothing due: the loop comes round all the same, and the watchdog with it. */
const LONGEST_SLEEP_MS: Millis = 1_000;

export const createLoop = (shell: Shell): Loop => {
  const queue: Event[] = [];
  let state: NodeState | null = null;
  let timer: NodeJS.Timeout | null = null;
  let due: Instant = Number.POSITIVE_INFINITY;
  let steppedAt: Instant = 0;
  let working = false;
  let stopped = false;

  const take = (stepped: Stepped): void => {
    const leaseBefore = state?.owner?.leaseUntil ?? 0;
    const standbyBefore = state ? standbyVipUntil(state) : 0;
    state = stepped.state;
    // The guard first: what is refused there must be fenced before anything else is done.
    const lease = state.owner?.leaseUntil ?? 0;
    if (lease > leaseBefore && !shell.renewed(lease))
      queue.unshift({ type: 'vip-lost', address: 'the guard had shut', restored: false });
    const standbyLease = standbyVipUntil(state);
    if (standbyLease > standbyBefore && !shell.standbyVipRenewed(standbyLease))
      queue.unshift({ type: 'standby-vip-lost', detail: 'the guard had shut' });
    for (const effect of stepped.effects) carryOut(effect);
  };

  const carryOut = (effect: Effect): void => {
    switch (effect.type) {
      case 'send':
        return shell.send(effect.to, effect.message);
      case 'persist':
        shell.persist(effect.record).then(
          () => dispatch({ type: 'persisted', id: effect.id, ok: true, detail: '' }),
          (cause: unknown) =>
            dispatch({
              type: 'persisted',
              id: effect.id,
              ok: false,
              detail: cause instanceof Error ? cause.message : String(cause),
            }),
        );
        return;
      case 'run':
        return shell.run(effect.id, effect.step);
      case 'cancel':
        return shell.cancel(effect.id);
      case 'vip-off':
        void shell.vipOff().then((outcome) => dispatch({ type: 'outcome', id: effect.id, outcome }));
        return;
      case 'standby-vip-off':
        void shell.standbyVipOff().then((outcome) => dispatch({ type: 'outcome', id: effect.id, outcome }));
        return;
      case 'journal':
        return shell.journal(effect.entry);
      case 'reply':
        return shell.reply(effect.id, effect.done, effect.ok, effect.text);
      case 'exit':
        stop();
        return shell.exit();
    }
  };

  const dispatch = (event: Event): void => {
    if (stopped || queue.length >= QUEUE_LIMIT) return;
    queue.push(event);
    if (working || !state) return;
    noteStall(state);
    working = true;
    try {
      for (let next = queue.shift(); next && state && !stopped; next = queue.shift()) {
        steppedAt = shell.now();
        take(step(state, next, steppedAt));
      }
      if (state && !stopped) {
        shell.settled(state);
        arm(state);
      }
    } catch (error) {
      stop();
      shell.broken(error);
    } finally {
      working = false;
    }
  };

  /** Whatever wakes us first after a stall tells of it: the timer that is overdue may be set anew before it fires. */
  const noteStall = (current: NodeState): void => {
    const late = timer ? shell.now() - due : 0;
    if (late <= current.config.intervalMs) return;
    due = Number.POSITIVE_INFINITY;
    queue.unshift({ type: 'stall', forMs: late });
  };

  const arm = (current: NodeState): void => {
    // What came due while the effects were carried out is due now, not past.
    const next = Math.min(wakeAt(current, steppedAt), steppedAt + LONGEST_SLEEP_MS);
    if (timer && next === due) return;
    if (timer) clearTimeout(timer);
    due = next;
    timer = setTimeout(onTimer, Math.max(TIMER_GRAIN_MS, next - shell.now()));
  };

  /** Timers run before packets are read, so a stall is seen, and fenced for, before the first of them. */
  const onTimer = (): void => {
    timer = null;
    const late = shell.now() - due;
    const interval = state?.config.intervalMs ?? 0;
    if (state && late > interval) dispatch({ type: 'stall', forMs: late });
    else dispatch({ type: 'tick' });
  };

  const stop = (): void => {
    stopped = true;
    if (timer) clearTimeout(timer);
    timer = null;
  };

  return {
    begin: (begun) => {
      working = true;
      take(begun);
      working = false;
      dispatch({ type: 'tick' });
    },
    dispatch,
    state: () => state,
    stop,
  };
};
