/** Times that the protocol fixes, and those derived from a group's lease. */

import type { CoreConfig, Millis } from './types.js';

/** ρ: how far two clocks may drift apart over a lease. */
export const CLOCK_DRIFT = 0.01;

/** How much of a promise its receiver may count on. */
export const countedLease = (leaseMs: Millis): Millis => leaseMs * (1 - CLOCK_DRIFT);

/** How long its giver keeps a promise whose start it does not know. */
export const keptLease = (leaseMs: Millis): Millis => leaseMs * (1 + CLOCK_DRIFT);

/**
 * With `guard: address`: for how long the kernel keeps an address whose agent is gone. Above the lease, since it counts in
 * whole seconds.
 */
export const addressLifetimeSeconds = (leaseMs: Millis): number => Math.ceil(leaseMs / 1_000) + 1;

/** The kernel takes an address off up to this much late: measured, a quarter of a second. */
const ADDRESS_LATE_MS = 500;

/**
 * What voters are asked to promise where only the lifetimes of the addresses stand behind the lease: one may be put on, or
 * given a new lifetime, in the lease's last moment.
 */
export const addressPromiseMs = (leaseMs: Millis): Millis =>
  Math.ceil((leaseMs + keptLease(addressLifetimeSeconds(leaseMs) * 1_000 + ADDRESS_LATE_MS)) / 100) * 100;

/** Fencing begins this long before the lease ends, so that it is over in time. */
export const fenceBudget = (leaseMs: Millis): Millis => Math.min(10, leaseMs / 20);

/** BEATs that ask for renewal are resent this often until acknowledged. */
export const resendEvery = (config: CoreConfig): Millis => config.intervalMs / 10;

/** A RELEASE is repeated for this many leases; by then every promise has run out anyway. */
export const RELEASE_REPEAT_LEASES = 3;

/** For this many leases after a RELEASE only its successor is granted. */
export const SUCCESSOR_LEASES = 2;

/** A candidate that has no majority after this many intervals gives up and tries again. */
export const ELECTION_INTERVALS = 3;

/** The candidate that should come second waits this many intervals. */
export const YIELD_INTERVALS = 5;

/** A failed promotion is tried again after this long, then twice as long, up to the limit. */
export const RETRY_FIRST_MS = 2_000;
export const RETRY_LIMIT_MS = 120_000;

/** A step of the standby (fencing again, following) that failed is tried again after this long. */
export const STEP_RETRY_MS = 1_000;
export const STEP_RETRY_LIMIT_MS = 30_000;

/** A VIP that could not be taken off is tried again after this long; the guard is shut meanwhile. */
export const VIP_OFF_RETRY_MS = 100;

/** After a fault a RELEASE waits this long for a final position before it goes without. */
export const FINAL_POSITION_WAIT_MS = 1_000;

/** A planned move is undone when the standby has not applied the final position by then. */
export const HANDOFF_DEADLINE_MS = 10_000;

/** The shell ends a fence command at its deadline; one whose end is not told by this much later is given up. */
export const FENCE_OVERDUE_MS = 2_000;

/** Of two nodes' counts of a pause, a difference up to this is on the way or drift. */
export const PAUSE_SLACK_MS = 1_000;

/** A won term that a majority has not recorded as serving by then is given back: a disk may be full, and the peer healthy. */
export const RECORD_WITHIN_MS = 10_000;

/** A switchover asked on the standby is answered by then: the owner hears of it a little late, and an undo takes its time. */
export const wishWithin = (timeoutMs: Millis): Millis => 2 * (timeoutMs > 0 ? timeoutMs : HANDOFF_DEADLINE_MS);

/** An operator's word that must be written down is answered by then, written or not. */
export const ANSWER_WITHIN_MS = 10_000;

/** How often an operator who waits for a promotion is told of its progress. */
export const PROGRESS_EVERY_MS = 1_000;

/** Without a witness, what speaks for the peer's death is looked at again this often. */
export const EVIDENCE_EVERY_MS = 1_000;

/** A standby is fit and near enough for this long before it asks for the standby VIP: connections end at each move. */
export const STANDBY_VIP_STEADY_MS = 2_000;

/** How often a standby asks a witness whether it is there. */
export const WITNESS_POLL_MS = 1_000;

/** `limit` bounds the doubling, `failures` counts from 1. */
export const backOff = (failures: number): Millis =>
  Math.min(RETRY_LIMIT_MS, RETRY_FIRST_MS * 2 ** Math.min(Math.max(failures - 1, 0), 16));

/** `failures` counts from 1: a step of the standby that keeps failing is tried less and less often. */
export const stepBackOff = (failures: number): Millis =>
  Math.min(STEP_RETRY_LIMIT_MS, STEP_RETRY_MS * 2 ** Math.min(failures - 1, 8));
