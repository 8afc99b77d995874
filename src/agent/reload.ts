/** Reload: the file is read and checked whole, compared with what is in force, taken over between moves, and told. */

import { setTimeout as sleep } from 'node:timers/promises';
import { compareConfigs } from '../config/difference.js';
import type { LoadResult } from '../config/load.js';
import { renderErrors } from '../config/problem.js';
import type { VipdConfig } from '../config/types.js';
import type { Moment } from '../control/moment.js';
import type { ReloadStatus } from '../control/status.js';
import type { NodeState } from '../core/state.js';
import type { Instant } from '../core/types.js';

export interface ReloaderOptions {
  /** Rejects where the disk does not answer. */
  readonly load: () => Promise<LoadResult<VipdConfig>>;
  readonly inForce: () => VipdConfig;
  readonly state: () => NodeState | null;
  /**
   * Answers what else was new: files that the configuration names. Rejects with the reason where nothing was changed. Has
   * deadlines of its own: later reloads wait for it.
   */
  readonly takeOver: (next: VipdConfig) => Promise<readonly string[]>;
  readonly now: () => Instant;
  readonly momentOf: (at: Instant) => Moment;
  readonly tell: (status: ReloadStatus) => void;
}

export interface Reloader {
  /** Never rejects. Whoever asks while a reload is under way gets the next one, which reads the file as it is then. */
  readonly reload: () => Promise<ReloadStatus>;
  readonly last: () => ReloadStatus | null;
}

/** A move that takes longer than this has trouble of its own. */
const MOVE_WAIT_MS = 30_000;
const MOVE_POLL_MS = 50;
/** Errors and refusals told at once; a file with more of them is some other file. */
const MAX_DETAILS = 20;

export const createReloader = (options: ReloaderOptions): Reloader => {
  let underway: Promise<unknown> = Promise.resolve();
  let next: Promise<ReloadStatus> | null = null;
  let last: ReloadStatus | null = null;

  const once = async (): Promise<ReloadStatus> => {
    const result = await attempt(options).catch(
      (cause: unknown): Result => refused(cause instanceof Error ? cause.message : String(cause)),
    );
    const more = result.details.length - MAX_DETAILS;
    const details = more > 0 ? [...result.details.slice(0, MAX_DETAILS), `and ${more} more`] : result.details;
    last = { ...result, details, at: options.momentOf(options.now()) };
    options.tell(last);
    return last;
  };

  return {
    reload: () => {
      next ??= underway.then(() => {
        next = null;
        const run = once();
        underway = run;
        return run;
      });
      return next;
    },
    last: () => last,
  };
};

type Result = Omit<ReloadStatus, 'at'>;

const refused = (why: string, details: readonly string[] = []): Result => ({
  ok: false,
  text: `the configuration was not reloaded, and the old one stays in force: ${why}`,
  details,
});

const attempt = async (options: ReloaderOptions): Promise<Result> => {
  const loaded = await options.load();
  if (!loaded.ok) return refused('the file is not valid', renderErrors(loaded.errors).split('\n'));
  const { live, refused: waiting } = compareConfigs(options.inForce(), loaded.config);
  if (waiting.length > 0) {
    const keys = waiting.map(({ key }) => key).join(', ');
    return refused(
      `${keys} cannot be changed while the agent runs`,
      waiting.map(({ key, why }) => `${key}: ${why}`),
    );
  }
  const busy = await untilBetweenMoves(options.state);
  if (busy !== null) return refused(`this node is ${busy}; try again`);
  const changed = [...new Set([...live, ...(await options.takeOver(loaded.config))])];
  const what = changed.length === 0 ? 'nothing in it has changed' : `changed: ${changed.join(', ')}`;
  return {
    ok: true,
    text: `configuration reloaded; ${what}`,
    details: loaded.warnings.map((warning) => renderErrors([warning])),
  };
};

/** A move that is under way goes on as it was begun. Null: none is; else what this node is still doing. */
const untilBetweenMoves = async (state: () => NodeState | null): Promise<string | null> => {
  for (let waitedMs = 0; waitedMs < MOVE_WAIT_MS; waitedMs += MOVE_POLL_MS) {
    if (moveUnderWay(state()) === null) return null;
    await sleep(MOVE_POLL_MS);
  }
  return moveUnderWay(state());
};

/** Null: none. Else what the node is doing. */
export const moveUnderWay = (state: NodeState | null): string | null => {
  if (state === null) return 'starting';
  if (state.handoff !== null) return 'handing-off';
  return state.role === 'standby' || state.role === 'active' ? null : state.role;
};
