/** What vipd counts on in a server's variables, why, and how it is set: the one list of doctor and `vipctl replication`. */

import type { Flavour } from './flavour.js';

export interface Precondition {
  /** As my.cnf and SHOW VARIABLES spell it; older names after it. */
  readonly names: readonly [string, ...string[]];
  /** What is to be written; upper case. */
  readonly value: string;
  /** Other values that will do. Default: none. */
  readonly also?: readonly string[];
  /** A number up to which all will do, or from which on. */
  readonly atMost?: number;
  readonly atLeast?: number;
  /** What comes of another value. */
  readonly why: string;
  /** `SET GLOBAL` takes effect at once; without it the server has to be restarted. */
  readonly live?: true;
  /** What has to be typed after that `SET GLOBAL` until it counts. */
  readonly afterSet?: string;
  /** Worth a warning, no fault. */
  readonly advice?: true;
  /** vipd sets it itself when it needs it. */
  readonly setByVipd?: true;
  /** Matters only where `mysql.semi_sync` is `manage`. */
  readonly semiSync?: true;
  /** What my.cnf needs besides where the server does not know the variable. */
  readonly plugin?: string;
  /** What goes with it in my.cnf, with what the server has, else with these words. */
  readonly companion?: { readonly name: string; readonly value: string };
}

const ON = { value: 'ON', also: ['1'] } as const;
/**
 * Seconds without a word until a receiver notices that its source is gone: 60 where nothing is written. It is read when the
 * receiver connects (manuals of both, slave_net_timeout). While the applier runs, its restart throws no relay log away.
 */
const NET_TIMEOUT = {
  value: '4',
  atMost: 4,
  live: true,
  advice: true,
  why: 'where only the link to the source is cut, it is noticed after so many seconds, and commits under semi-sync wait as long',
} as const;
const LOST_AT_POWER_CUT = 'a power cut would lose acknowledged commits';
const NOT_PASSED_ON = 'after a move the old active would not get what came from it';
const NOT_COMPARABLE = 'positions could not be compared';
const AFTER_SYNC_WHY = 'others would read what a dead host never sent';
const ACKNOWLEDGES_NOTHING = 'as a standby it acknowledges nothing';

const BOTH: readonly Precondition[] = [
  { names: ['log_bin'], value: 'binlog', also: ['ON', '1'], why: 'there is nothing to replicate from' },
  { names: ['binlog_format'], value: 'ROW', live: true, why: 'statements may give other rows on the other node' },
  {
    names: ['binlog_row_image'],
    value: 'FULL',
    live: true,
    advice: true,
    why: 'rows could not be told apart when they are looked for',
  },
  { names: ['sync_binlog'], value: '1', live: true, why: LOST_AT_POWER_CUT },
  { names: ['innodb_flush_log_at_trx_commit'], value: '1', live: true, why: LOST_AT_POWER_CUT },
  {
    names: ['skip_name_resolve'],
    value: 'ON',
    also: ['1'],
    advice: true,
    why: 'each login waits for a name server, and without one replication and checks take seconds to connect',
  },
  { names: ['skip_networking'], value: 'OFF', also: ['0'], why: 'neither clients nor the other node reach it' },
  {
    names: ['auto_increment_increment'],
    value: '2',
    atLeast: 2,
    live: true,
    advice: true,
    companion: { name: 'auto_increment_offset', value: '1 on one node and 2 on the other' },
    why: 'numbers given out before a failover may be given out again',
  },
];

// Each mode of slave_parallel_mode keeps the order of commits (MariaDB manual, Parallel Replication).
const MARIADB: readonly Precondition[] = [
  ...BOTH,
  { names: ['log_slave_updates'], ...ON, why: NOT_PASSED_ON },
  { names: ['gtid_strict_mode'], ...ON, live: true, why: NOT_COMPARABLE },
  { names: ['slave_net_timeout'], ...NET_TIMEOUT, afterSet: 'STOP SLAVE IO_THREAD; START SLAVE IO_THREAD' },
  { names: ['rpl_semi_sync_slave_enabled'], ...ON, live: true, semiSync: true, why: ACKNOWLEDGES_NOTHING },
  {
    names: ['rpl_semi_sync_master_wait_point'],
    value: 'AFTER_SYNC',
    live: true,
    semiSync: true,
    advice: true,
    setByVipd: true,
    why: AFTER_SYNC_WHY,
  },
];

const SEMI_SYNC_PLUGINS = 'plugin_load = semisync_source.so;semisync_replica.so';

const MYSQL: readonly Precondition[] = [
  ...BOTH,
  { names: ['log_replica_updates', 'log_slave_updates'], ...ON, why: NOT_PASSED_ON },
  {
    names: ['enforce_gtid_consistency'],
    value: 'ON',
    live: true,
    why: 'statements could be logged without a GTID',
  },
  // One step at a time: `vipctl replication setup` takes them.
  { names: ['gtid_mode'], value: 'ON', why: NOT_COMPARABLE },
  {
    names: ['replica_preserve_commit_order', 'slave_preserve_commit_order'],
    ...ON,
    live: true,
    why: 'a standby could have a later commit without an earlier one',
  },
  {
    names: ['relay_log_recovery'],
    value: 'OFF',
    also: ['0'],
    advice: true,
    semiSync: true,
    why: 'after a crash it throws away what was received and acknowledged',
  },
  {
    names: ['replica_net_timeout', 'slave_net_timeout'],
    ...NET_TIMEOUT,
    afterSet: 'STOP REPLICA IO_THREAD; START REPLICA IO_THREAD',
  },
  {
    names: ['rpl_semi_sync_replica_enabled', 'rpl_semi_sync_slave_enabled'],
    ...ON,
    live: true,
    semiSync: true,
    plugin: SEMI_SYNC_PLUGINS,
    why: ACKNOWLEDGES_NOTHING,
  },
  {
    names: ['rpl_semi_sync_source_wait_point', 'rpl_semi_sync_master_wait_point'],
    value: 'AFTER_SYNC',
    live: true,
    semiSync: true,
    advice: true,
    setByVipd: true,
    plugin: SEMI_SYNC_PLUGINS,
    why: AFTER_SYNC_WHY,
  },
];

export const preconditionsOf = (flavour: Flavour['name'], semiSync: boolean): readonly Precondition[] =>
  (flavour === 'mariadb' ? MARIADB : MYSQL).filter((one) => semiSync || one.semiSync !== true);

/** Variables by name in lower case, as SHOW GLOBAL VARIABLES gives them. */
export type Variables = ReadonlyMap<string, string>;

/** Under which of its names this server knows it; undefined: under none. */
export const nameOn = ({ names }: Precondition, variables: Variables): string | undefined =>
  names.find((name) => variables.has(name));

export const holdsFor = ({ value, also = [], atMost, atLeast }: Precondition, given: string): boolean => {
  if (atMost !== undefined) return Number(given) <= atMost;
  if (atLeast !== undefined) return Number(given) >= atLeast;
  return [value, ...also].includes(given.toUpperCase());
};

export interface Unmet {
  readonly precondition: Precondition;
  /** Its name on this server. */
  readonly name: string;
  /** Undefined: the server does not know the variable. */
  readonly value: string | undefined;
}

export const unmetBy = (variables: Variables, preconditions: readonly Precondition[]): readonly Unmet[] =>
  preconditions.flatMap((precondition) => {
    const name = nameOn(precondition, variables);
    const value = name === undefined ? undefined : variables.get(name);
    if (value !== undefined && holdsFor(precondition, value)) return [];
    return [{ precondition, name: name ?? precondition.names[0], value }];
  });

/** The line for my.cnf; `right`: the variables of a server that has it right. */
export const myCnfLine = (name: string, { value, companion }: Precondition, right?: Variables): string => {
  const line = `${name} = ${value}`;
  if (companion === undefined) return line;
  return `${line} and ${companion.name} = ${right?.get(companion.name) ?? companion.value}`;
};

/** What puts it in force now; undefined: only a restart does. */
export const setStatement = ({ precondition, name, value }: Unmet): string | undefined =>
  precondition.live && value !== undefined
    ? `SET GLOBAL ${name} = ${/^\d+$/.test(precondition.value) ? precondition.value : `'${precondition.value}'`}`
    : undefined;

/** In words for an operator. */
export const remedyFor = (unmet: Unmet): string => {
  const { precondition, name, value } = unmet;
  const plugin = value === undefined && precondition.plugin !== undefined ? `${precondition.plugin} and ` : '';
  const statement = setStatement(unmet);
  const all = precondition.afterSet === undefined ? statement : `${statement}; ${precondition.afterSet}`;
  const now = statement === undefined ? 'and restart the server' : `and, to have it at once, ${all}`;
  return `write ${plugin}${myCnfLine(name, precondition)} into my.cnf, ${now}`;
};

/** What a server must be when it comes up, before its agent has spoken to it: told by my.cnf, not by its variables. */
export interface AtStart {
  readonly names: readonly [string, ...string[]];
  readonly value: 'ON' | 'OFF';
  /** Is right where nothing is written. */
  readonly byDefault: boolean;
  readonly why: string;
}

export const atStartOf = (flavour: Flavour['name']): readonly AtStart[] => [
  {
    names: flavour === 'mysql' ? ['super_read_only', 'read_only'] : ['read_only'],
    value: 'ON',
    byDefault: false,
    why: 'after a restart it would take writes before vipd has judged it',
  },
  {
    names:
      flavour === 'mysql' ? ['skip_replica_start', 'skip_slave_start'] : ['skip_slave_start', 'skip_replica_start'],
    value: 'ON',
    byDefault: false,
    why:
      flavour === 'mysql'
        ? 'a returning node would pull before it is judged'
        : 'after a restart MariaDB deletes relay logs that it has not applied, and a returning node would pull before it is judged',
  },
  {
    names: ['event_scheduler'],
    value: 'OFF',
    byDefault: flavour === 'mariadb',
    why: 'events would run on both nodes until vipd has switched them off',
  },
];
