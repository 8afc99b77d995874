/** Checks of what a server's variables are now, and what its options make them at the next start. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { byName, text } from '../mysql/flavour.js';
import type { Link } from '../mysql/links.js';
import {
  type AtStart,
  atStartOf,
  holdsFor,
  myCnfLine,
  nameOn,
  preconditionsOf,
  remedyFor,
  unmetBy,
  type Variables,
} from '../mysql/preconditions.js';
import { ASK_MS, type ServerSubject } from './database-subject.js';
import { type Finding, fault, messageOf, ok, skipped, warning } from './finding.js';

export const checkSettings = async (
  { session, flavour }: Link,
  { where, semiSync, adminPort }: ServerSubject,
): Promise<readonly Finding[]> => {
  const variables = byName(await session.query('SHOW GLOBAL VARIABLES', ASK_MS));
  const tried = `read the settings of ${where}`;
  const wrong = unmetBy(variables, preconditionsOf(flavour.name, semiSync)).map((unmet) => {
    const { precondition, name, value } = unmet;
    const found = `${name} is ${value ?? 'not there'}: ${precondition.why}`;
    return (precondition.advice ? warning : fault)('my-cnf', tried, found, remedyFor(unmet));
  });
  return [
    ...checkListening(variables, tried),
    ...checkExtraDoor(variables, adminPort, tried),
    ...wrong,
    ...(wrong.length === 0 ? [ok('my-cnf', tried, 'as vipd needs them')] : []),
  ];
};

/** The VIP comes and goes: only a server that listens on all addresses is reached by it. */
const EVERY_ADDRESS: readonly string[] = ['', '*', '0.0.0.0', '::'];

const checkListening = (variables: Variables, tried: string): readonly Finding[] => {
  const listen = variables.get('bind_address') ?? '';
  const addresses = listen.split(',').map((address) => address.trim());
  if (addresses.some((address) => EVERY_ADDRESS.includes(address))) return [];
  const loopback = addresses.every((address) => ['127.0.0.1', 'localhost', '::1'].includes(address));
  const whom = loopback ? 'neither the other node nor the VIP reaches it' : 'the VIP does not reach it';
  const remedy = 'write bind_address = * into my.cnf, and restart the server';
  return [fault('bind-address', tried, `bind_address is ${listen}: ${whom}`, remedy)];
};

/** MariaDB's extra_port, MySQL's admin_port: the agent comes in by it when max_connections is used up. */
const checkExtraDoor = (variables: Variables, wanted: number | null, tried: string): readonly Finding[] => {
  if (wanted === null) return [];
  const mysql = variables.has('admin_port');
  const open = mysql ? variables.get('admin_address') !== '' : true;
  const port = Number(variables.get(mysql ? 'admin_port' : 'extra_port') ?? 0);
  if (open && port === wanted) return [];
  const found = `mysql.admin_port is ${wanted}, and the server's extra door is ${open && port > 0 ? port : 'shut'}`;
  const lines = mysql ? `admin_address = 127.0.0.1 and admin_port = ${wanted}` : `extra_port = ${wanted}`;
  return [warning('extra-door', tried, found, `write ${lines} into my.cnf, and restart the server`)];
};

const run = promisify(execFile);
const PROGRAM_MS = 5_000;
const GROUPS = ['mysqld', 'mariadbd', 'mariadb', 'server'] as const;

/**
 * The options of the server's own command line and of its my.cnf; what was SET since does not count, but for what MySQL
 * persists, which overrides them. For the server of this host.
 */
export const checkStart = async (link: Link, { where, semiSync }: ServerSubject): Promise<readonly Finding[]> => {
  const tried = `read the options that ${where} starts with (its command line, my_print_defaults)`;
  try {
    const options = await readStartOptions(link);
    const missing = atStartOf(link.flavour.name).filter((one) => !isGiven(one, options));
    const findings = missing.map(({ names, value, why }) =>
      fault('at-start', tried, `${names[0]} = ${value} is not among them: ${why}`, remedyAt(names, value, options)),
    );
    return [
      ...(missing.length === 0 ? [ok('at-start', tried, 'read-only, replication and events stopped')] : findings),
      ...(await checkLasting(link, semiSync, options, tried)),
    ];
  } catch (cause) {
    return [skipped('at-start', tried, messageOf(cause))];
  }
};

interface StartOption {
  readonly value: string;
  readonly from: 'files' | 'mysqld-auto.cnf';
}

const readStartOptions = async (link: Link): Promise<ReadonlyMap<string, StartOption>> => {
  const { session, flavour } = link;
  const [row] = await session.query('SELECT @@global.pid_file AS pid_file, @@global.datadir AS datadir', ASK_MS);
  const file = text(row, 'pid_file');
  const pid = readFileSync(file.startsWith('/') ? file : `${text(row, 'datadir')}${file}`, 'utf8').trim();
  const given = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1);
  const files = given.filter((option) => /^--(defaults-file|defaults-extra-file|no-defaults)/.test(option));
  const { stdout } = await run('my_print_defaults', [...files, ...GROUPS], { timeout: PROGRAM_MS });
  const options = new Map<string, StartOption>();
  for (const option of [...stdout.split('\n'), ...given]) {
    const [, name, value = 'ON'] = /^--(?:loose[-_])?([\w-]+)(?:=(.*))?$/.exec(option) ?? [];
    if (name !== undefined) options.set(name.toLowerCase().replaceAll('-', '_'), { value, from: 'files' });
  }
  if (flavour.name === 'mysql')
    for (const persisted of await session.query(PERSISTED, ASK_MS))
      options.set(text(persisted, 'name'), { value: text(persisted, 'value'), from: 'mysqld-auto.cnf' });
  return options;
};

const PERSISTED = `SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.persisted_variables`;

const isGiven = ({ names, value, byDefault }: AtStart, options: ReadonlyMap<string, StartOption>): boolean => {
  const given = names.flatMap((name) => options.get(name) ?? []);
  if (given.length === 0) return byDefault;
  const off = (option: StartOption): boolean => /^(0|off|false|disabled)$/i.test(option.value);
  return value === 'OFF' ? given.every(off) : given.some((option) => !off(option));
};

const remedyAt = (
  names: readonly [string, ...string[]],
  value: string,
  options: ReadonlyMap<string, StartOption>,
): string => {
  const persisted = names.find((name) => options.get(name)?.from === 'mysqld-auto.cnf');
  const write = `write ${names[0]} = ${value} into my.cnf`;
  return persisted === undefined ? write : `${write}, and RESET PERSIST ${persisted}: mysqld-auto.cnf overrides my.cnf`;
};

/** Right as it is now, and otherwise after a restart. */
const checkLasting = async (
  { session, flavour }: Link,
  semiSync: boolean,
  options: ReadonlyMap<string, StartOption>,
  tried: string,
): Promise<readonly Finding[]> => {
  const variables = byName(await session.query('SHOW GLOBAL VARIABLES', ASK_MS));
  const setLive = new Set((await session.query(SET_LIVE[flavour.name], ASK_MS)).map((row) => text(row, 'name')));
  return preconditionsOf(flavour.name, semiSync).flatMap((precondition): readonly Finding[] => {
    const name = nameOn(precondition, variables);
    if (name === undefined || precondition.setByVipd) return [];
    if (!holdsFor(precondition, variables.get(name) ?? '')) return [];
    const option = precondition.names.flatMap((one) => options.get(one) ?? []).at(-1);
    // What was not SET is as it was started; MySQL persists also what is to hold from the next start on (PERSIST_ONLY).
    if (!setLive.has(name) && option?.from !== 'mysqld-auto.cnf') return [];
    if (option !== undefined && holdsFor(precondition, option.value)) return [];
    const after = option === undefined ? 'not written down' : `${option.value} in ${option.from}`;
    const found = `${name} is right now, and ${after}: after a restart ${precondition.why}`;
    const reset = option?.from === 'mysqld-auto.cnf' ? `, and RESET PERSIST ${name}` : '';
    return [warning('lasting', tried, found, `write ${myCnfLine(name, precondition, variables)} into my.cnf${reset}`)];
  });
};

/** Variables that a statement has set since the server was started. */
const SET_LIVE = {
  mariadb: `SELECT LOWER(VARIABLE_NAME) AS name FROM information_schema.SYSTEM_VARIABLES WHERE GLOBAL_VALUE_ORIGIN = 'SQL'`,
  mysql: `SELECT VARIABLE_NAME AS name FROM performance_schema.variables_info WHERE VARIABLE_SOURCE = 'DYNAMIC'`,
} as const;
