/** What `vipctl replication setup` will do on a server, decided from what it is. Pure. */

import { differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { ChannelSettings } from './channel-settings.js';
import type { Row } from './connection.js';
import type { Flavour } from './flavour.js';
import { grantStatements, missingGrants } from './grants.js';
import { preconditionsOf, remedyFor, setStatement, type Unmet, unmetBy } from './preconditions.js';
import type { PeerFacts, SetupFacts } from './setup-facts.js';
import {
  type Account,
  accountName,
  type ChannelWish,
  createAccount,
  type SetupWords,
  type Statement,
  statement,
} from './setup-words.js';

export interface SetupStep {
  /** What becomes different, for people. */
  readonly text: string;
  readonly statements: readonly Statement[];
  /** Writes tables, so that `super_read_only` must be off. */
  readonly writes?: true;
}

export type Plan =
  | { readonly refused: readonly string[] }
  | {
      readonly refused: readonly [];
      readonly steps: readonly SetupStep[];
      /** Something was set that a receiver reads when it connects. */
      readonly reconnect: boolean;
    };

/** What the operator and the configuration ask for. */
export interface SetupWish {
  readonly flavour: Flavour['name'];
  readonly semiSync: boolean;
  /** 1 or 2: of the two nodes in the order of their names. */
  readonly place: number;
  readonly agent: { readonly accounts: readonly Account[]; readonly password: string };
  readonly replication: { readonly account: Account; readonly password: string };
}

/** `grants`: the rows of SHOW GRANTS of each of the agent's accounts, by its name. */
export const planServer = (
  facts: SetupFacts,
  wish: SetupWish,
  words: SetupWords,
  grants: ReadonlyMap<string, readonly Row[]>,
): Plan => {
  const unmet = unmetBy(facts.variables, preconditionsOf(wish.flavour, wish.semiSync));
  const refused = [...staticFaults(unmet), ...unreachable(facts)];
  if (refused.length > 0) return { refused };
  return {
    refused: [],
    steps: [
      ...planSettings(unmet, wish, words),
      ...planReset(facts, wish, words),
      ...planAccounts(facts, wish, grants),
    ],
    reconnect: unmet.some((one) => one.precondition.afterSet !== undefined),
  };
};

/** A plugin that is missing is installed; what only warns does not stop anybody. */
const isInstallable = ({ value, precondition }: Unmet): boolean =>
  value === undefined && precondition.plugin !== undefined;

const staticFaults = (unmet: readonly Unmet[]): readonly string[] =>
  unmet
    .filter((one) => one.precondition.live !== true && one.precondition.advice !== true && one.name !== 'gtid_mode')
    .map((one) => `${one.name} is ${one.value ?? 'not there'}: ${one.precondition.why}; ${remedyFor(one)}`);

const unreachable = ({ variables }: SetupFacts): readonly string[] => {
  const listen = variables.get('bind_address') ?? '';
  return ['127.0.0.1', 'localhost', '::1'].includes(listen)
    ? [
        `bind_address is ${listen}: the other node does not reach it; write bind_address = * into my.cnf, and restart the server`,
      ]
    : [];
};

const planSettings = (unmet: readonly Unmet[], wish: SetupWish, words: SetupWords): readonly SetupStep[] => {
  const names = new Set(unmet.map(({ name }) => name));
  const live = unmet.flatMap((one) => setStatement(one) ?? []);
  const offset = names.has('auto_increment_increment') ? [`SET GLOBAL auto_increment_offset = ${wish.place}`] : [];
  const plugin = unmet.some(isInstallable) ? words.installSemiSync : [];
  return [
    ...(plugin.length === 0
      ? []
      : [{ text: 'install the plugins of semi-synchronous replication', statements: plugin, writes: true as const }]),
    ...[...live, ...afterInstall(unmet), ...offset].map((sql) => ({
      text: sql,
      statements: [statement(sql)],
    })),
    // Last: it asks for enforce_gtid_consistency.
    ...(names.has('gtid_mode') ? [{ text: 'switch GTIDs on (gtid_mode)', statements: words.gtidsOn }] : []),
  ];
};

/** The variables that a plugin brings begin with their defaults. */
const afterInstall = (unmet: readonly Unmet[]): readonly string[] =>
  unmet.filter(isInstallable).flatMap((one) => setStatement({ ...one, value: '' }) ?? []);

/**
 * Binary logs of a server without data hold what its installation logged: a difference between the two that means nothing.
 * Only before the account exists by which the other could have read them.
 */
const planReset = (facts: SetupFacts, wish: SetupWish, words: SetupWords): readonly SetupStep[] => {
  // Without GTIDs they name nothing, and still nobody can replicate from them.
  const anonymous = facts.variables.get('gtid_mode')?.startsWith('OFF') ? 'transactions without GTIDs' : '';
  const logged = bodyOf(facts.position) || anonymous;
  if (logged === '' || !isUntouched(facts, wish)) return [];
  const text = `delete the binary logs of a server that holds no data yet (${logged})`;
  return [{ text, statements: [words.resetBinlogs], writes: true }];
};

const isUntouched = ({ databases, accounts, channel, readers }: SetupFacts, wish: SetupWish): boolean =>
  databases.length === 0 &&
  channel === null &&
  readers === 0 &&
  accounts.every((account) => wish.agent.accounts.some((own) => accountName(own) === accountName(account)));

const planAccounts = (
  facts: SetupFacts,
  { flavour, agent, replication }: SetupWish,
  grants: ReadonlyMap<string, readonly Row[]>,
): readonly SetupStep[] => {
  const there = new Set(facts.accounts.map(accountName));
  const make = (account: Account, password: string): readonly Statement[] =>
    there.has(accountName(account)) ? [] : [createAccount(account, password)];
  const agents = agent.accounts.flatMap((account): readonly SetupStep[] => {
    const name = accountName(account);
    const lacks = missingGrants(flavour, grants.get(name) ?? []);
    const statements = [
      ...make(account, agent.password),
      ...(lacks.length === 0 ? [] : grantStatements(flavour, name).map((sql) => statement(sql))),
    ];
    if (statements.length === 0) return [];
    return [{ text: `the agent's account ${name}, with what it needs`, statements, writes: true }];
  });
  const name = accountName(replication.account);
  const replica = make(replication.account, replication.password);
  // First whom the other replicates by, last whom it looks in by: once it comes in, it finds all the rest.
  return [
    ...(replica.length === 0
      ? []
      : [
          {
            text: `the account ${name}, by which the other node replicates`,
            statements: [...replica, statement(`GRANT REPLICATION SLAVE ON *.* TO ${name}`)],
            writes: true as const,
          },
        ]),
    ...(agents.length === 0
      ? []
      : [
          {
            text: 'the database vipd',
            statements: [statement('CREATE DATABASE IF NOT EXISTS vipd')],
            writes: true as const,
          },
        ]),
    ...agents,
  ];
};

const bodyOf = (position: Position): string => position.slice(position.indexOf(':') + 1);

export interface Pairing {
  readonly here: string;
  readonly there: string;
  readonly own: Pick<SetupFacts, 'position' | 'databases' | 'stored' | 'accounts' | 'channel'>;
  readonly peer: PeerFacts;
}

/** Why these two may not replicate from each other as they are; empty: nothing is in the way. */
export const judgePair = ({ here, there, own, peer }: Pairing): readonly string[] => {
  const restore = (from: string, to: string): string =>
    `restore ${to} from a backup of ${from}, with its GTID position, and run this again`;
  const extra = differencePosition(own.position, peer.position);
  const onlyHere = own.stored.filter((name) => !peer.stored.includes(name));
  const onlyThere = own.channel === null ? peer.stored.filter((name) => !own.stored.includes(name)) : [];
  const named = [
    ...(own.databases.length > 0 ? [`databases: ${own.databases.join(', ')}`] : []),
    ...(own.accounts.length > 0 ? [`accounts: ${own.accounts.map(accountName).join(', ')}`] : []),
  ].join('; ');
  if (extra !== '')
    return [
      `${here} has committed what ${there} has not: ${extra}${named === '' ? '' : ` (it has ${named})`}; ${restore(here, there)}`,
    ];
  if (onlyHere.length > 0)
    return [`${here} has databases that ${there} has not: ${onlyHere.join(', ')}; ${restore(here, there)}`];
  if (onlyThere.length > 0)
    return [`${there} has databases that ${here} has not: ${onlyThere.join(', ')}; ${restore(there, here)}`];
  if (own.stored.length > 0 && bodyOf(own.position) === '')
    return [
      `${here} has data (${own.stored.join(', ')}) and no GTID position, so nobody can tell what it lacks of ${there}; ${restore(there, here)}`,
    ];
  return [];
};

/** MySQL and MariaDB: ER_ACCESS_DENIED_ERROR of the receiver's login. */
const DENIED = /access denied/i;
const MIN_RETRY_COUNT = 1_000;

export type ChannelPlan =
  | { readonly kind: 'fine' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'change'; readonly why: string };

/** `applied`: nothing that was received waits to be applied. */
export const planChannel = (
  channel: ChannelSettings | null,
  wish: ChannelWish,
  flavour: Flavour['name'],
  applied: boolean,
): ChannelPlan => {
  if (channel === null) return { kind: 'change', why: 'none is configured' };
  if (channel.host !== wish.host || channel.port !== wish.port) {
    const from = `it replicates from ${channel.host} port ${channel.port}`;
    return {
      kind: 'refused',
      why: `${from}, not from ${wish.host}; if that is over, RESET SLAVE ALL (MySQL: RESET REPLICA ALL)`,
    };
  }
  const wrong = whatIsWrong(channel, wish, flavour);
  if (wrong.length === 0) return { kind: 'fine' };
  if (!applied)
    return {
      kind: 'refused',
      why: `${wrong.join(', ')}; and it has received what it has not applied yet: wait for it`,
    };
  return { kind: 'change', why: wrong.join(', ') };
};

const whatIsWrong = (channel: ChannelSettings, wish: ChannelWish, flavour: Flavour['name']): readonly string[] => [
  ...(channel.user === wish.user ? [] : [`it logs in as ${channel.user}`]),
  ...(channel.gtids ? [] : ['it does not use GTIDs']),
  ...(flavour === 'mysql' && !channel.tls ? ['it does not use TLS'] : []),
  ...(channel.connectRetryS === 1 ? [] : [`it tries again after ${channel.connectRetryS} s`]),
  ...(channel.heartbeatS === null || channel.heartbeatS === 1
    ? []
    : [`its heartbeat period is ${channel.heartbeatS} s`]),
  ...(flavour === 'mysql' && channel.retryCount !== null && channel.retryCount < MIN_RETRY_COUNT
    ? [`it gives up after ${channel.retryCount} attempts`]
    : []),
  ...(DENIED.test(channel.error) ? ['its password is refused'] : []),
];
