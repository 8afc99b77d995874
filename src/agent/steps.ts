/** Carries out the steps the core asks for, each under its own deadline, and turns every ending into an outcome. */

import type { Step } from '../core/effect.js';
import type { Event, Evidence, Outcome } from '../core/event.js';
import type { Instant, Millis, Position } from '../core/types.js';
import type { FenceCommand } from '../host/fence-command.js';
import type { HookFacts, HookQueue, HookResult } from '../host/hooks.js';
import type { Database, DatabaseStep, StepOptions } from '../mysql/database.js';
import type { AddressHolder } from './address.js';
import type { ShutPeer, ShutPeerDatabase } from './peer-database.js';
import type { VipProbe } from './probe.js';
import type { StandbyAddress } from './standby-address.js';

export interface StepsOptions {
  readonly database: Pick<Database, 'run'>;
  readonly address: Pick<AddressHolder, 'on'> & { readonly probe: Pick<VipProbe, 'ask' | 'askAhead'> };
  /** Null: none is configured. */
  readonly standbyAddress: Pick<StandbyAddress, 'on'> | null;
  readonly standbyVipUntil: () => Instant;
  readonly hooks: Pick<HookQueue, 'run'>;
  readonly hookFacts: () => Pick<HookFacts, 'group' | 'node' | 'peer' | 'vips'>;
  /** Null: none is configured. */
  readonly fenceCommand: FenceCommand | null;
  readonly gatherEvidence: (fencePeer: boolean, signal: AbortSignal) => Promise<Evidence>;
  /** The peer served last, has not given that up, and is silent: its server may take writes still. */
  readonly peerMayServe: () => boolean;
  /** The peer holds the VIP no more, by its own word. */
  readonly peerGaveUp: () => boolean;
  readonly shutPeerDatabase: ShutPeerDatabase;
  /** What the peer's dead server has and this one has not. */
  readonly salvage: (have: Position, options: StepOptions) => Promise<Outcome>;
  /** The lease as the core has it when the VIP goes on. */
  readonly leaseUntil: () => Instant;
  readonly emit: (event: Event) => void;
  readonly onHook: (facts: HookFacts, result: HookResult) => void;
}

export interface Steps {
  readonly run: (id: number, step: Step) => void;
  readonly cancel: (id: number) => void;
  readonly cancelAll: () => void;
  /** For an orderly stop: all but the hooks are cancelled; resolves once those have ended, or were given up after a while. */
  readonly finishHooks: () => Promise<void>;
}

/** Below `TimeoutStopSec` of the unit, of which the handoff has taken its part. */
const FINISH_HOOKS_MS: Millis = 20_000;

/** Above every deadline that a step has of its own: one that forgets to end is ended. */
const LAST_RESORT_MS: Millis = 3_600_000;

/** A takeover waits no longer for a dead host: about as long as the probe for a stranger, which runs beside it. */
const TAKEOVER_ANSWER_MS: Millis = 25;

export const createSteps = (options: StepsOptions): Steps => {
  const running = new Map<number, Running>();
  const abortAll = (which: (one: Running) => boolean): void => {
    for (const one of running.values()) if (which(one)) one.controller.abort();
  };

  const begin = async (id: number, step: Step, signal: AbortSignal): Promise<void> => {
    const outcome = await withLastResort(step.name, perform(options, id, step, signal)).catch(
      (cause: unknown): Outcome => ({
        ok: false,
        detail: `${step.name}: ${cause instanceof Error ? cause.message : String(cause)}`,
      }),
    );
    running.delete(id);
    if (!signal.aborted) options.emit({ type: 'outcome', id, outcome });
  };

  return {
    run: (id, step) => {
      const controller = new AbortController();
      const isHook = step.name === 'hook';
      running.set(id, { controller, isHook, ended: begin(id, step, controller.signal) });
    },
    cancel: (id) => running.get(id)?.controller.abort(),
    cancelAll: () => abortAll(() => true),
    finishHooks: async () => {
      abortAll(({ isHook }) => !isHook);
      const hooks = [...running.values()].filter(({ isHook }) => isHook);
      const giveUp = setTimeout(() => abortAll(({ isHook }) => isHook), FINISH_HOOKS_MS);
      await Promise.all(hooks.map(({ ended }) => ended));
      clearTimeout(giveUp);
    },
  };
};

interface Running {
  readonly controller: AbortController;
  readonly isHook: boolean;
  readonly ended: Promise<void>;
}

const perform = async (options: StepsOptions, id: number, step: Step, signal: AbortSignal): Promise<Outcome> => {
  switch (step.name) {
    case 'vip-probe':
      return options.address.probe.ask(options.peerGaveUp());
    case 'vip-on':
      return options.address.on(options.leaseUntil());
    case 'standby-vip-on':
      if (!options.standbyAddress) return { ok: false, detail: 'no address is configured under "standby_vip"' };
      return options.standbyAddress.on(signal, options.standbyVipUntil);
    case 'hook':
      return runHook(options, step, signal);
    case 'fence-peer':
      if (!options.fenceCommand) return { ok: false, detail: 'no command is configured under "fence"' };
      return options.fenceCommand.run(step, signal);
    case 'salvage':
      return options.salvage(step.have, { signal, progress: (text) => options.emit({ type: 'progress', id, text }) });
    case 'gather-evidence': {
      const evidence = await options.gatherEvidence(step.fencePeer, signal);
      // What was given up says nothing of a later question.
      if (!signal.aborted) options.emit({ type: 'evidence', id, evidence });
      return { ok: true, detail: evidence.detail };
    }
    case 'database-catch-up':
      return catchUp(options, id, step, signal);
    default:
      return runDatabase(options, id, step, signal);
  }
};

/**
 * A takeover on silence: the peer's server may live on without its agent, so it is shut first, and all that it has is
 * awaited (mysql.md, Promotion 3a). Where it cannot be shut the guard stands, and what was received has to do.
 */
const catchUp = async (
  options: StepsOptions,
  id: number,
  step: Extract<Step, { name: 'database-catch-up' }>,
  signal: AbortSignal,
): Promise<Outcome> => {
  // The owner is read-only for good and about to hand over, once it was told: who else answers for the VIP is asked then.
  if (!step.stop) {
    const outcome = await runDatabase(options, id, step, signal);
    if (outcome.ok) setImmediate(options.address.probe.askAhead);
    return outcome;
  }
  const takeover = step.target === null && options.peerMayServe();
  if (!takeover) return runDatabase(options, id, step, signal);
  const peer = await options.shutPeerDatabase(TAKEOVER_ANSWER_MS, signal);
  const target = peer.state === 'made-read-only' && peer.position !== '' ? peer.position : null;
  const outcome = await runDatabase(options, id, { ...step, target }, signal, peer.state === 'silent');
  const detail = `${describePeer(peer)}${outcome.detail}`;
  return outcome.ok && target !== null ? { ...outcome, detail, shutAt: target } : { ...outcome, detail };
};

const describePeer = (peer: ShutPeer): string => {
  switch (peer.state) {
    case 'silent':
      return '';
    case 'made-read-only':
      return 'the server of the silent peer lives and was made read-only; ';
    case 'refuses':
      return `the server of the silent peer lives and could not be made read-only: ${peer.why}; `;
  }
};

const runDatabase = (
  { database, emit }: StepsOptions,
  id: number,
  step: DatabaseStep,
  signal: AbortSignal,
  sourceSilent = false,
): Promise<Outcome> =>
  database.run(step, { signal, sourceSilent, progress: (text) => emit({ type: 'progress', id, text }) });

const runHook = async (
  options: StepsOptions,
  step: Extract<Step, { name: 'hook' }>,
  signal: AbortSignal,
): Promise<Outcome> => {
  const { phase, term, role, reason } = step;
  const facts: HookFacts = { ...options.hookFacts(), phase, term, role, reason };
  const result = await options.hooks.run(facts, signal);
  options.onHook(facts, result);
  return { ok: result.ok, detail: result.detail };
};

const withLastResort = async (name: string, work: Promise<Outcome>): Promise<Outcome> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(
      () => resolve({ ok: false, detail: `${name} did not end within ${LAST_RESORT_MS} ms` }),
      LAST_RESORT_MS,
    );
    timer.unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};
