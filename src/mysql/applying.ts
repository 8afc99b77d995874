/** Looks on while the server's own client feeds it transactions, and tells what moves: deadlines are extended by it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { countMissing } from '../core/position.js';
import type { Position } from '../core/types.js';
import { type CpuMs, watchWork } from './at-work.js';
import type { Ask, Flavour } from './flavour.js';
import type { Applier } from './salvage-apply.js';

export interface Applying {
  readonly flavour: Flavour;
  readonly ask: Ask;
  /** Everything that is to be applied. */
  readonly target: Position;
  /** Undefined: nothing has come for it yet. */
  readonly applier: () => Applier | undefined;
  readonly cpuMs: CpuMs;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  progress(text: string): void;
}

/** Several fit into the shortest stall. */
const LOOK_MS = 200;
const MEGABYTE = 1_000_000;
/** A look on a server that is busy; one that takes longer loses its connection. */
export const LOOK_WITHIN_MS = 10_000;

/** Until `signal`. Never rejects: a look that fails is made again. */
export const watchApplying = async ({ flavour, ask, signal, ...options }: Applying): Promise<void> => {
  const { target, applier, cpuMs, nowMs, progress } = options;
  // A large statement is read by the client, and then worked on by its connection, without a transaction more.
  const isAtWork = watchWork({
    threads: () => flavour.listAppliers(ask, applier()?.connectionId ?? 0),
    cpuMs,
    nowMs,
  });
  let last = '';
  let lastBytes = 0;
  const look = async (): Promise<void> => {
    const left = countMissing(target, await flavour.readPosition(ask));
    const bytes = applier()?.takenBytes ?? 0;
    const told = `${left} transactions left, ${Math.floor(bytes / MEGABYTE)} MB read`;
    const working = await isAtWork();
    if (signal.aborted || (told === last && bytes === lastBytes && !working)) return;
    last = told;
    lastBytes = bytes;
    applier()?.moved();
    progress(working ? `${told}, the server is at work on them` : told);
  };
  while (!signal.aborted) {
    await look().catch(() => undefined);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
};
