/** vrrp_script, track_process and track_interface as checks, with what changes meaning. */

import { BUILT_IN_CHECKS } from '../config/rules-members.js';
import { asksOnlyForServer, carriesPassword, commandOf, isServer, nameFor, runsInShell, withPath } from './commands.js';
import { type CheckDraft, FILL_IN } from './draft.js';
import type { Notes } from './notes.js';
import { entriesOf, last, numberOf, type Settings, type Tracked, textOf } from './settings.js';
import type { Directive } from './source.js';

/** Bounds and widths of vipd.yaml's checks (src/config/schema.ts). */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_SECONDS = 3_600;
const MAX_COUNT = 100;
const MAX_NAME = 32;

/** Account unless the file names one; keepalived's own default is keepalived_script, or root without that account. */
const DEFAULT_USER = 'nobody';

/** A check that only reads a file of the kernel or the list of processes. */
const WATCH = { intervalMs: 1_000, timeoutMs: 1_000, fall: 1, rise: 1, user: DEFAULT_USER } as const;

const BUILT_IN_NOTE = 'built in: mysql.check asks the server itself, and the end of its connection counts at once';
const NO_WEIGHTS = 'no weights: once the check fails, the node is not fit, whatever its priority';

export interface CheckContext {
  readonly settings: Settings;
  /** The instances that are imported, and their sync groups. */
  readonly trackers: readonly Directive[];
  readonly vipLinks: readonly string[];
  readonly notes: Notes;
  readonly todo: string[];
  readonly findProgram: (name: string) => string | null;
}

export const draftChecks = (context: CheckContext): readonly CheckDraft[] => {
  const checks: CheckDraft[] = [];
  const add = (name: string, check: Omit<CheckDraft, 'name'>): void => {
    const taken = [...BUILT_IN_CHECKS, ...checks.map((other) => other.name)];
    checks.push({ name: nameFor(name, taken, MAX_NAME), ...check });
  };
  for (const script of context.settings.scripts) {
    const check = draftScript(script, context);
    if (check !== null) add(script.name, check);
  }
  for (const process of context.settings.processes) {
    const check = draftProcess(process, context);
    if (check !== null) add(process.name, check);
  }
  for (const { link, entries } of trackedLinks(context)) {
    const check = draftLink(link, entries, context);
    if (check !== null) add(`link-${link}`, check);
  }
  return checks;
};

const trackingOf = (keyword: string, name: string, { trackers }: CheckContext): readonly Directive[] =>
  trackers.flatMap((tracker) => entriesOf(tracker, keyword)).filter(({ words }) => words[0] === name);

const draftScript = ({ directive, name }: Tracked, context: CheckContext): Omit<CheckDraft, 'name'> | null => {
  const { notes } = context;
  const tracking = trackingOf('track_script', name, context);
  if (tracking.length === 0) {
    notes.add(directive, 'dropped', 'nothing that is imported tracks it');
    return null;
  }
  for (const entry of tracking) notes.add(entry, 'checks', entry.words.length > 1 ? NO_WEIGHTS : '');
  const script = last(directive, 'script');
  const command = script === null ? [] : commandOf(script.words.slice(1));
  if (script === null || asksOnlyForServer(command)) {
    notes.add(directive, 'mysql', script === null ? 'it has no script' : BUILT_IN_NOTE);
    return null;
  }
  notes.add(directive, 'checks', '');
  noteScript(directive, script, command, context);
  const { intervalMs, timeoutMs } = timesOf(directive, notes);
  return {
    command: pathOf(command, context),
    intervalMs,
    timeoutMs,
    fall: countOf(directive, 'fall', notes),
    rise: countOf(directive, 'rise', notes),
    user: userOf(directive, context),
  };
};

const noteScript = (
  directive: Directive,
  script: Directive,
  command: readonly string[],
  context: CheckContext,
): void => {
  const { notes } = context;
  const text = command.join(' ');
  const warnings = [
    ...(runsInShell(command) ? ['a shell runs it, as keepalived had it run'] : []),
    ...(carriesPassword(command) ? ['its password shows in the list of processes; better a file that it reads'] : []),
    ...(/mysql|maria|galera|replic/i.test(text)
      ? [
          'where it only asks the server, drop it: mysql.check does; it must succeed on the read-only standby, and stop or start nothing',
        ]
      : []),
  ];
  notes.add(script, 'checks', warnings.join('; '));
  for (const child of directive.children ?? []) {
    if (child.words[0] === 'weight') notes.add(child, 'checks', child.words[1] === '0' ? '' : NO_WEIGHTS);
    if (child.words[0] === 'init_fail') {
      notes.add(child, 'checks', 'always so: a node is fit only once its checks have succeeded');
    }
  }
};

const pathOf = (command: readonly string[], { findProgram, todo }: CheckContext): readonly string[] => {
  const found = withPath(command, findProgram);
  if (found[0]?.startsWith(`/${FILL_IN}/`))
    todo.push(`checks: where ${command[0]} is, from the root; it is not on this host`);
  return found;
};

const timesOf = (directive: Directive, notes: Notes): { readonly intervalMs: number; readonly timeoutMs: number } => {
  const interval = last(directive, 'interval');
  const timeout = last(directive, 'timeout');
  const askedMs = interval === null ? 1_000 : 1_000 * numberOf(interval, 0.001, MAX_INTERVAL_SECONDS);
  const intervalMs = Math.max(MIN_INTERVAL_MS, Math.round(askedMs));
  if (interval !== null)
    notes.add(interval, 'checks', intervalMs > askedMs ? `vipd's least is ${MIN_INTERVAL_MS}ms` : '');
  // keepalived's timeout is the interval unless given.
  if (timeout === null) return { intervalMs, timeoutMs: intervalMs };
  const timeoutMs = Math.max(MIN_INTERVAL_MS, Math.round(1_000 * numberOf(timeout, 0.001, MAX_INTERVAL_SECONDS)));
  notes.add(timeout, 'checks', timeoutMs > intervalMs ? 'cut to the interval: runs do not overlap' : '');
  return { intervalMs, timeoutMs: Math.min(timeoutMs, intervalMs) };
};

const countOf = (directive: Directive, keyword: 'fall' | 'rise', notes: Notes): number => {
  const given = last(directive, keyword);
  if (given === null) return 1;
  const count = numberOf(given, 1, Number.MAX_SAFE_INTEGER);
  notes.add(given, 'checks', count > MAX_COUNT ? `vipd's most is ${MAX_COUNT}` : '');
  return Math.min(Math.round(count), MAX_COUNT);
};

const userOf = (directive: Directive, { settings, notes, todo }: CheckContext): string => {
  const own = last(directive, 'user');
  const global = settings.globals.filter(({ words }) => words[0] === 'script_user').at(-1) ?? null;
  if (own !== null) notes.add(own, 'checks', own.words.length > 2 ? "the group is the account's own" : '');
  const named = own ?? global;
  if (named !== null) return textOf(named);
  const reminder = `checks: ${DEFAULT_USER} runs them now, where keepalived took keepalived_script or root; name another user where a check needs it`;
  if (!todo.includes(reminder)) todo.push(reminder);
  return DEFAULT_USER;
};

const draftProcess = ({ directive, name }: Tracked, context: CheckContext): Omit<CheckDraft, 'name'> | null => {
  const { notes } = context;
  const tracking = trackingOf('track_process', name, context);
  if (tracking.length === 0) {
    notes.add(directive, 'dropped', 'nothing that is imported tracks it');
    return null;
  }
  for (const entry of tracking) notes.add(entry, 'checks', entry.words.length > 1 ? NO_WEIGHTS : '');
  const process = last(directive, 'process');
  const [program = '', ...args] = process === null ? [] : process.words.slice(1);
  if (isServer(program)) {
    notes.add(directive, 'mysql', BUILT_IN_NOTE);
    return null;
  }
  const simple = program !== '' && args.length === 0 && last(directive, 'full_command') === null;
  if (!simple) {
    notes.add(directive, 'dropped', 'write a check that looks for that process');
    return null;
  }
  notes.add(directive, 'checks', 'asked each second with pgrep');
  for (const child of directive.children ?? []) {
    const same = child.words[0] === 'process' || (child.words[0] === 'quorum' && child.words[1] === '1');
    notes.add(child, 'checks', same ? '' : child.words[0] === 'weight' ? NO_WEIGHTS : 'not carried over');
  }
  // comm has 15 characters at most (proc(5)), and pgrep compares with that.
  return { ...WATCH, command: ['/usr/bin/pgrep', '-x', program.slice(program.lastIndexOf('/') + 1).slice(0, 15)] };
};

const trackedLinks = ({ trackers }: CheckContext) => {
  const entries = trackers.flatMap((tracker) => entriesOf(tracker, 'track_interface'));
  const links = [...new Set(entries.map(({ words }) => words[0]))];
  return links.map((link) => ({ link, entries: entries.filter(({ words }) => words[0] === link) }));
};

const draftLink = (
  link: string,
  entries: readonly Directive[],
  { vipLinks, notes }: CheckContext,
): Omit<CheckDraft, 'name'> | null => {
  const watched = vipLinks.includes(link);
  for (const entry of entries) {
    const weight = entry.words.length > 1 ? NO_WEIGHTS : '';
    const how = watched ? "the VIPs' links are always watched" : 'its carrier is asked for each second';
    notes.add(entry, watched ? 'always' : 'checks', weight === '' ? how : `${how}; ${weight}`);
  }
  return watched ? null : { ...WATCH, command: ['/bin/grep', '-qx', '1', `/sys/class/net/${link}/carrier`] };
};
