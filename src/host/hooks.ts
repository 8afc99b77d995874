/** Runs hooks: one at a time, in the order asked for, each under its deadline, never on the heartbeat's path. */

import { basename } from 'node:path';
import type { Role } from '../core/message.js';
import type { HookPhase, Term, VoterName } from '../core/types.js';
import { createDiskReader, type DiskReader } from './disk-reader.js';
import { type HookFiles, readHooks } from './hook-directory.js';
import { describeEnd, type RunningProcess, startProcess } from './process.js';

/** What of a hook's output is kept for the journal and `status`. */
export const HOOK_OUTPUT_LIMIT_BYTES = 4096;
/** Phases that may wait for their turn. Past it the oldest that gates nothing is dropped. */
export const MAX_WAITING_PHASES = 16;
/** The one phase whose failure stops what is under way. */
const GATE: HookPhase = 'pre-promote';

/** What a hook is told, in its environment (VIPD_…) and in keepalived's arguments. */
export interface HookFacts {
  readonly group: string;
  readonly node: VoterName;
  readonly phase: HookPhase;
  readonly term: Term;
  readonly role: Role;
  readonly reason: string;
  readonly peer: VoterName;
  /** With their prefix lengths, such as `10.99.0.100/24`. */
  readonly vips: readonly string[];
}

export interface HookRun {
  readonly file: string;
  /** Exit status; null where it has none: a signal, the deadline, could not be run. */
  readonly exit: number | null;
  readonly tookMs: number;
  readonly output: string;
}

export interface HookResult {
  /** Every hook of the phase ran and exited with 0; so also when there is none. */
  readonly ok: boolean;
  /** One line for people. */
  readonly detail: string;
  readonly ran: readonly HookRun[];
}

export interface HookQueue {
  /**
   * Runs the phase's hooks once those asked for earlier are done. Never rejects. `signal` gives up: a waiting phase does
   * not begin, a running hook is killed.
   */
  run(facts: HookFacts, signal?: AbortSignal): Promise<HookResult>;
}

export interface HookSettings {
  /** Holds a directory for each phase. */
  readonly directory: string;
  /** For each hook, and for reading the directory before the first of them. */
  readonly timeoutMs: number;
}

export interface HookQueueOptions {
  /** Asked for at each phase: they may change meanwhile. */
  readonly settings: () => HookSettings;
  /** A clock that no wall-clock step moves, in milliseconds. */
  readonly nowMs: () => number;
  /** Reads the directory; absent: a reader of the queue's own. */
  readonly disk?: DiskReader;
}

interface Job {
  readonly facts: HookFacts;
  readonly signal: AbortSignal | undefined;
  readonly finish: (result: HookResult) => void;
}

export const createHookQueue = (options: HookQueueOptions): HookQueue => {
  const waiting: Job[] = [];
  const { nowMs, disk = createDiskReader() } = options;
  let busy = false;

  const work = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      job.finish(await runPhase({ ...options.settings(), nowMs, disk }, job.facts, job.signal));
    }
    busy = false;
  };
  return {
    run(facts, signal) {
      return new Promise((finish) => {
        const job: Job = { facts, signal, finish };
        waiting.push(job);
        signal?.addEventListener('abort', () => withdraw(waiting, job), { once: true });
        if (waiting.length > MAX_WAITING_PHASES) dropOne(waiting);
        void work();
      });
    },
  };
};

type PhaseOptions = HookSettings & { readonly nowMs: () => number; readonly disk: DiskReader };

const notRun = (detail: string): HookResult => ({ ok: false, detail, ran: [] });

const withdraw = (waiting: Job[], job: Job): void => {
  const at = waiting.indexOf(job);
  if (at < 0) return;
  waiting.splice(at, 1);
  job.finish(notRun(`${job.facts.phase} hooks not run: given up while they waited for earlier ones`));
};

/** The oldest notification is the one that matters least now; a gate is dropped only where there are only gates. */
const dropOne = (waiting: Job[]): void => {
  const oldest = waiting.findIndex((job) => job.facts.phase !== GATE);
  const [dropped] = waiting.splice(oldest < 0 ? waiting.length - 1 : oldest, 1);
  if (dropped === undefined) return;
  const { phase, term } = dropped.facts;
  const why = `${MAX_WAITING_PHASES} phases were waiting already; are hooks hanging?`;
  dropped.finish(notRun(`${phase} hooks of term ${term} dropped: ${why}`));
};

const runPhase = async (options: PhaseOptions, facts: HookFacts, signal?: AbortSignal): Promise<HookResult> => {
  const { phase } = facts;
  const givenUp = (): boolean => signal?.aborted ?? false;
  if (givenUp()) return notRun(`${phase} hooks not run: given up`);
  const { run: files, refused, skipped } = await hooksOf(options, phase);
  if (refused.length > 0) return notRun(`${phase} hooks not run: ${refused.join('; ')}`);
  const ran: HookRun[] = [];
  const failures: string[] = [];
  for (const file of files) {
    if (givenUp() || (phase === GATE && failures.length > 0)) break;
    const { run, failure } = await runHook(options, facts, file, signal);
    ran.push(run);
    if (failure !== null) failures.push(`${phase}/${basename(file)}: ${failure}`);
  }
  if (givenUp()) failures.push(`${phase} hooks given up`);
  if (failures.length > 0) return { ok: false, detail: failures.join('; '), ran };
  const left = skipped.map(({ file, why }) => `; skipped ${basename(file)}: ${why}`).join('');
  return { ok: true, detail: `${ran.length} ${phase} ${ran.length === 1 ? 'hook' : 'hooks'} ran${left}`, ran };
};

/** A directory that hangs (/etc on a disk that is gone) is one that cannot be read: the phase has failed, and is over. */
const hooksOf = ({ directory, timeoutMs, disk }: PhaseOptions, phase: HookPhase): Promise<HookFiles> =>
  disk
    .read(`reading ${directory}/${phase}`, timeoutMs, () => readHooks(directory, phase))
    .catch((error: unknown) => ({
      run: [],
      skipped: [],
      refused: [error instanceof Error ? error.message : String(error)],
    }));

interface HookOutcome {
  readonly run: HookRun;
  /** Null: exit status 0. */
  readonly failure: string | null;
}

const runHook = async (
  options: PhaseOptions,
  facts: HookFacts,
  file: string,
  signal?: AbortSignal,
): Promise<HookOutcome> => {
  const hook: RunningProcess = startProcess({
    command: [file, ...keepalivedArguments(facts)],
    env: hookEnvironment(facts),
    timeoutMs: options.timeoutMs,
    outputLimitBytes: HOOK_OUTPUT_LIMIT_BYTES,
    nowMs: options.nowMs,
  });
  signal?.addEventListener('abort', hook.giveUp);
  const result = await hook.ended;
  signal?.removeEventListener('abort', hook.giveUp);
  // The next one starts when this one is gone, or cannot be killed: then order is worth less than going on.
  const stuck = (await hook.leave()) ? '' : ` (process group ${hook.pid} cannot be killed and is left behind)`;
  const exit = result.end.kind === 'exited' ? result.end.code : null;
  const failure = exit === 0 ? null : `${describeEnd(result, options.timeoutMs)}${stuck}`;
  return { run: { file, exit, tookMs: result.tookMs, output: result.output }, failure };
};

/** A NUL ends a string for execve(2); a reason may quote a peer or a server, and must not be what stops a hook. */
const withoutNul = (text: string): string => text.replaceAll('\0', '');

/** The facts as programs of the operator's find them. `pre-takeover` is the phase of the fence command, which is no hook. */
export const hookEnvironment = (
  facts: Omit<HookFacts, 'phase' | 'role'> & { readonly phase: HookPhase | 'pre-takeover' },
): Readonly<Record<string, string>> => ({
  VIPD_GROUP: facts.group,
  VIPD_NODE: facts.node,
  VIPD_PHASE: facts.phase,
  VIPD_TERM: String(facts.term),
  VIPD_REASON: withoutNul(facts.reason),
  VIPD_PEER: facts.peer,
  VIPD_VIPS: facts.vips.join(' '),
});

/** keepalived.conf(5), "notify": `INSTANCE`, the name, and the state it changes to. */
const keepalivedArguments = (facts: HookFacts): readonly [string, string, string] => [
  'INSTANCE',
  facts.group,
  keepalivedState(facts),
];

const keepalivedState = ({ phase, role }: HookFacts): 'MASTER' | 'BACKUP' | 'FAULT' => {
  switch (phase) {
    case 'pre-promote':
    case 'post-promote':
      return 'MASTER';
    case 'pre-demote':
    case 'post-demote':
      return 'BACKUP';
    case 'hold':
      // A pause of the active is a hold too, and no reason for a script to take its service down.
      return role === 'active' ? 'MASTER' : 'FAULT';
    default:
      return phase satisfies never;
  }
};
