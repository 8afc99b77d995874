/** Reads a scenario written as text, plays it in the world, and sets the trace of each part below its commands. */

import type { Command, Event } from '../../src/core/event.js';
import { composeBeat } from '../../src/core/lease.js';
import { describeStandbyVip } from '../../src/core/standby-vip.js';
import type { CoreConfig } from '../../src/core/types.js';
import { type Host, host, passes, passesStandby, type World } from '../world/host.js';
import {
  command,
  createWorld,
  deliver,
  freeze,
  killAgent,
  killHost,
  runFor,
  startAgent,
  startDatabase,
  thaw,
  write,
} from '../world/world.js';

/** One part of a scenario file: commands, a line `----`, the trace they led to, an empty line. */
interface Part {
  readonly comments: readonly string[];
  readonly commands: readonly string[];
}

const SEPARATOR = '----';
const SETTLING_MS = 2_000;
const FENCE_TIMEOUT_MS = 5_000;

const parse = (text: string): readonly Part[] =>
  text
    .trim()
    .split(/\n\s*\n/)
    .map((block) => {
      const lines = block.split('\n');
      const end = lines.indexOf(SEPARATOR);
      const given = end < 0 ? lines : lines.slice(0, end);
      return {
        comments: given.filter((line) => line.startsWith('#')),
        commands: given.filter((line) => line.trim() !== '' && !line.startsWith('#')),
      };
    });

/** The file as it should be: every part followed by the trace it leads to now. */
export const play = (text: string): string => {
  let world: World | null = null;
  const rendered = parse(text).map(({ comments, commands }) => {
    const before = world;
    const from = world?.trace.length ?? 0;
    const added: string[] = [];
    for (const line of commands) {
      const [verb = '', ...args] = line.trim().split(/\s+/);
      if (verb === 'group') world = group(args);
      else if (verb === 'settled') world = settled(args);
      else if (!world) throw new Error(`a scenario begins with \`group\` or \`settled\`, not: ${line}`);
      else perform(world, verb, args, line);
    }
    // A part that begins anew has a trace of its own.
    if (world) added.push(...world.trace.slice(world === before ? from : 0));
    const head = [...comments, ...commands];
    return commands.length === 0 ? head.join('\n') : [...head, SEPARATOR, ...added].join('\n');
  });
  return `${rendered.join('\n\n')}\n`;
};

/** `group w1 cooldownMs=0 hookPhases=pre-promote`: witnesses, and what differs from the usual configuration. */
const group = (args: readonly string[]): World =>
  createWorld(
    args.filter((a) => !a.includes('=')),
    settings(args),
  );

/** `checks=disk,load`: health scripts by these names, beside the database. */
const settings = (args: readonly string[]): Partial<CoreConfig> => {
  const overrides: Record<string, unknown> = {};
  for (const arg of args.filter((a) => a.includes('='))) {
    const [key = '', value = ''] = arg.split('=');
    overrides[key] = setting(key, value);
  }
  return overrides;
};

const setting = (key: string, value: string): unknown => {
  if (key === 'hookPhases') return value.split(',');
  if (key === 'checks')
    return Object.fromEntries(['database', ...value.split(',')].map((name) => [name, { fall: 2, rise: 1 }]));
  if (key === 'fence') return { required: value === 'required', timeoutMs: FENCE_TIMEOUT_MS };
  if (key === 'standbyVip') return { maxLagMs: Number(value) };
  if (/^\d+$/.test(value)) return Number(value);
  return value === 'on' ? true : value;
};

/** `settled w1 …`: the same, with everybody started and db1 active; what led there is told elsewhere. */
const settled = (args: readonly string[]): World => {
  const world = group(args);
  for (const name of world.hosts.keys()) startAgent(world, name);
  runFor(world, SETTLING_MS);
  world.trace.length = 0;
  return world;
};

const perform = (world: World, verb: string, args: readonly string[], line: string): void => {
  const [name = '', second = '', ...rest] = args;
  switch (verb) {
    case 'start':
      for (const each of args) startAgent(world, each);
      return;
    case 'run':
      return runFor(world, Number(name));
    case 'write':
      world.trace.push(`       clients: ${write(world, Number(name))} of ${name} writes accepted`);
      return;
    case 'kill':
      return killAgent(world, name);
    case 'die':
      return killHost(world, name);
    case 'freeze':
      return freeze(world, name);
    case 'thaw':
      return thaw(world, name);
    case 'forget':
      host(world, name).disk = null;
      return;
    case 'cut':
      for (const pair of args) world.cuts.add(pair);
      return;
    case 'heal':
      for (const pair of args) world.cuts.delete(pair);
      return;
    case 'database':
      return database(world, name, second, rest.join(' '));
    case 'fail':
      host(world, name).failing.set(second, rest.join(' '));
      return;
    case 'hang':
      host(world, name).hanging.add(second);
      return;
    case 'slow':
      host(world, name).slow.set(second, Number(rest[0]));
      return;
    case 'mend':
      host(world, name).failing.delete(second);
      host(world, name).hanging.delete(second);
      return;
    case 'disk':
      host(world, name).diskFails = second === 'full';
      return;
    case 'check':
      return deliver(world, host(world, name), { type: 'check', name: 'disk', ok: second === 'ok', detail: second });
    case 'link':
      return deliver(world, host(world, name), { type: 'link', name: 'eth0', up: second === 'up' });
    case 'vip-lost':
      return deliver(world, host(world, name), {
        type: 'vip-lost',
        address: '10.99.0.100',
        restored: second === 'restored',
      });
    case 'standby-vip':
      return deliver(world, host(world, name), standbyVipEvent(second, rest.join(' ')));
    case 'reconfigure':
      return deliver(world, host(world, name), {
        type: 'reconfigured',
        settings: { ...world.config(name), ...settings(args) },
        links: args.includes('eth1') ? ['eth1'] : ['eth0'],
      });
    case 'claim':
      return claim(world, name, second, Number(rest[0]));
    case 'evidence':
      return evidence(world, name, args.slice(1));
    case 'operator':
      return command(world, name, parseCommand(second, rest));
    case 'status':
      for (const each of args) world.trace.push(status(world, each));
      return;
    default:
      throw new Error(`no such command: ${line}`);
  }
};

/** What the shell tells of it: `lost WHY`, `unusable WHY`, `usable`. */
const standbyVipEvent = (what: string, why: string): Event =>
  what === 'lost'
    ? { type: 'standby-vip-lost', detail: why }
    : { type: 'standby-vip-usable', why: what === 'usable' ? '' : why };

const database = (world: World, name: string, what: string, detail: string): void => {
  const { server } = host(world, name);
  switch (what) {
    case 'killed':
      server.up = false;
      return deliver(world, host(world, name), {
        type: 'database',
        report: { state: 'down', detail: 'connection refused' },
      });
    case 'started':
      return startDatabase(world, name);
    case 'hangs':
      server.hanging = true;
      return;
    case 'wakes':
      server.hanging = false;
      return;
    case 'writable':
      server.readOnly = false;
      return;
    case 'read-only':
      server.readOnly = true;
      return;
    case 'error':
      server.error = detail;
      server.sql = false;
      return;
    case 'filters':
      server.filters = detail === 'on';
      return;
    case 'behind':
      server.lagMs = Number(detail);
      return;
    case 'others':
      server.others = Number(detail);
      return;
    case 'stuck':
      server.stuck = detail !== 'off';
      return;
    case 'mended':
      server.error = '';
      server.sql = true;
      return;
    case 'full':
    case 'denied':
    case 'failed':
      server.trouble = what;
      return;
    case 'fine':
      server.trouble = null;
      return;
    case 'extra':
      server.committed.set(server.id, Math.max(0, ...server.committed.values()) + 1);
      return;
    default:
      throw new Error(`a database is not ${what}`);
  }
};

/** A genuine BEAT by which `from` says that it owns a term: what no run of the protocol leads to, and must be survived. */
const claim = (world: World, from: string, to: string, term: number): void => {
  const { state } = host(world, from);
  if (!state) throw new Error(`${from} has no agent to speak for it`);
  const beat = { ...composeBeat(state, world.now), owner: true, role: 'active', term } as const;
  deliver(world, host(world, to), { type: 'message', from, message: beat });
};

const evidence = (world: World, name: string, words: readonly string[]): void => {
  const h = host(world, name);
  h.evidence = {
    gateways: words.includes('cut-off') ? 'silent' : 'answer',
    peerDatabase: words.includes('alive') ? 'refuses' : words.includes('fenced') ? 'made-read-only' : 'silent',
    detail: words.join(' '),
  };
};

const parseCommand = (verb: string, options: readonly string[]): Command => {
  switch (verb) {
    case 'switchover':
      return {
        name: 'switchover',
        dryRun: options.includes('--dry-run'),
        force: options.includes('--force'),
        timeoutMs: options.includes('--timeout') ? Number(options.at(-1)) : 0,
      };
    case 'promote':
      return { name: 'promote', acceptLoss: options.includes('--accept-loss') };
    case 'pause':
      return { name: 'pause', forMs: options[0] === undefined ? -1 : Number(options[0]) };
    case 'resume':
      return { name: 'resume' };
    case 'maintenance':
      return { name: 'maintenance', on: options[0] === 'on' };
    case 'stop':
      return { name: 'stop' };
    default:
      throw new Error(`operators do not say ${verb}`);
  }
};

const status = (world: World, name: string): string => {
  const h = host(world, name);
  const holds = h.state ? [...h.state.holds.keys()].join(' ') : '';
  const role = h.state?.role ?? (h.voter ? 'witness' : 'absent');
  const term = h.state?.voter.record?.maxTerm ?? h.voter?.record?.maxTerm ?? '-';
  return `       ${name}: ${role}, term ${term}, VIP ${passes(world, h) ? 'on' : h.vip ? 'shut' : 'off'}, database ${h.server.up ? (h.server.readOnly ? 'read-only' : 'writable') : 'down'}${holds === '' ? '' : `, holds ${holds}`}${standbyVipOf(world, h)}`;
};

/** Of groups that have none, nothing. */
const standbyVipOf = (world: World, h: Host): string => {
  if (!h.state?.standbyVip) return '';
  const { holder, why } = describeStandbyVip(h.state, world.now);
  return `, standby VIP ${passesStandby(world, h) ? 'on' : h.standbyVip ? 'shut' : 'off'} (held by ${holder ?? 'nobody'}: ${why})`;
};
