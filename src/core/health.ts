/** One verdict per node out of check results, the database's reports and the links; no weights. */

import { mergePositions } from './position.js';
import type { CheckState, DatabaseView, NodeState } from './state.js';
import { journal, set, type Turn } from './turn.js';
import type { DatabaseReport, Health } from './types.js';

export interface HealthVerdict {
  readonly health: Health;
  /** The first cause of a failure, or what is still rising. */
  readonly cause: string;
  /** Whether a script says so, the database, or a link: they are acted upon differently. */
  readonly by: 'none' | 'database' | 'link' | 'check';
}

export const verdict = (s: NodeState): HealthVerdict => {
  if (s.database.health === 'failed') return { health: 'failed', cause: s.database.cause, by: 'database' };
  const link = s.linksDown[0];
  if (link !== undefined) return { health: 'failed', cause: `link ${link} is down`, by: 'link' };
  const failed = firstCheck(s, 'failed');
  if (failed) return { health: 'failed', cause: `check ${failed[0]}: ${failed[1].detail}`, by: 'check' };
  if (s.database.health === 'unknown')
    return { health: 'unknown', cause: s.database.cause || 'database not seen yet', by: 'none' };
  const rising = firstCheck(s, 'unknown');
  if (rising) return { health: 'unknown', cause: `check ${rising[0]} is still rising`, by: 'none' };
  return { health: 'ok', cause: '', by: 'none' };
};

/** In the order of the configuration. */
const firstCheck = (s: NodeState, health: Health): readonly [string, CheckState] | undefined => {
  for (const entry of s.checks) if (entry[1].health === health) return entry;
  return undefined;
};

/** Told by events of their own; what is configured for them are counts only. */
const BUILT_IN: readonly string[] = ['database', 'links'];

export const initialChecks = (config: NodeState['config'], now: number): ReadonlyMap<string, CheckState> =>
  new Map(
    Object.keys(config.checks)
      .filter((name) => !BUILT_IN.includes(name))
      .map((name) => [name, { health: 'unknown', failures: 0, successes: 0, detail: 'not run yet', since: now }]),
  );

export const initialDatabase: DatabaseView = {
  report: null,
  at: 0,
  position: '',
  received: '',
  seen: 0,
  failures: 0,
  successes: 0,
  health: 'unknown',
  cause: '',
  channelDownSince: null,
};

/** The newest report was surely asked for after our last step ended: the first one after it may have been under way. */
export const isReportCurrent = (s: NodeState): boolean => s.database.seen >= 2;

/** Counts a script's result: `fall` failures in a row turn it failed, `rise` successes turn it ok. */
export const onCheck = (turn: Turn, name: string, ok: boolean, detail: string): void => {
  const known = turn.s.checks.get(name);
  const limits = turn.s.config.checks[name];
  if (!known || !limits) return;
  const failures = ok ? 0 : known.failures + 1;
  const successes = ok ? known.successes + 1 : 0;
  const health = counted(known.health, failures, successes, limits);
  const since = health === known.health ? known.since : turn.now;
  set(turn, { checks: new Map(turn.s.checks).set(name, { health, failures, successes, detail, since }) });
  if (health !== known.health) tell(turn, `check ${name}`, known.health, health, detail);
};

/**
 * The database's report. Gone or shutting down is a failure at once: a reconnection confirmed it. A login that fails or a
 * server that is full says nothing of its health: it changes no verdict and moves nothing.
 */
export const onDatabase = (turn: Turn, report: DatabaseReport): void => {
  const known = turn.s.database;
  const limits = turn.s.config.checks.database ?? { fall: 2, rise: 2 };
  const counts = tally(known, report, limits);
  const position = report.position ?? known.position;
  const received = mergePositions(report.position ?? '', report.replica?.received ?? '') || known.received;
  const running = report.replica?.io === 'running';
  const channelDownSince = running ? null : (known.channelDownSince ?? turn.now);
  set(turn, {
    database: { ...known, report, at: turn.now, seen: known.seen + 1, position, received, channelDownSince, ...counts },
  });
  if (counts.health !== known.health)
    tell(turn, 'database', known.health, counts.health, counts.cause || report.detail);
  else if (known.report?.state !== report.state) {
    journal(turn, { kind: 'notice', cause: 'database', text: `database is ${report.state}: ${report.detail}` });
  }
};

const tally = (
  known: DatabaseView,
  report: DatabaseReport,
  limits: { readonly fall: number; readonly rise: number },
): Pick<DatabaseView, 'failures' | 'successes' | 'health' | 'cause'> => {
  switch (report.state) {
    case 'ok': {
      const successes = known.successes + 1;
      const health = counted(known.health, 0, successes, limits);
      return { failures: 0, successes, health, cause: health === 'failed' ? 'database is back but still rising' : '' };
    }
    case 'down':
    case 'shutting-down':
      return {
        failures: known.failures + 1,
        successes: 0,
        health: 'failed',
        cause: `database ${report.state}: ${report.detail}`,
      };
    case 'hanging':
    case 'failed': {
      const failures = known.failures + 1;
      return {
        failures,
        successes: 0,
        health: counted(known.health, failures, 0, limits),
        cause: `database ${report.state}: ${report.detail}`,
      };
    }
    case 'denied':
    case 'full':
      return { failures: known.failures, successes: known.successes, health: known.health, cause: known.cause };
  }
};

const counted = (
  health: Health,
  failures: number,
  successes: number,
  limits: { readonly fall: number; readonly rise: number },
): Health => {
  if (failures >= limits.fall) return 'failed';
  if (successes >= limits.rise) return 'ok';
  return health;
};

const tell = (turn: Turn, what: string, from: Health, to: Health, detail: string): void =>
  journal(turn, {
    kind: to === 'failed' ? 'alarm' : 'notice',
    cause: what,
    text: `${what}: ${from} -> ${to}: ${detail}`,
  });

export const onLink = (turn: Turn, name: string, up: boolean): void => {
  const down = turn.s.linksDown.filter((link) => link !== name);
  const linksDown = up ? down : [...down, name];
  const changed = linksDown.length !== turn.s.linksDown.length;
  set(turn, { linksDown });
  if (changed)
    journal(turn, { kind: up ? 'notice' : 'alarm', cause: 'link', text: `link ${name} is ${up ? 'up' : 'down'}` });
};
