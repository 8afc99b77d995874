import { describe, expect, test } from 'vitest';
import type { ChannelSettings } from './channel-settings.js';
import { GOOD_MARIADB } from './preconditions.fixture.js';
import type { SetupFacts } from './setup-facts.js';
import { judgePair, planChannel, planServer, type SetupWish } from './setup-plan.js';
import { type SetupWords, statement } from './setup-words.js';

const GOOD: ReadonlyMap<string, string> = new Map(Object.entries(GOOD_MARIADB));

const CHANNEL: ChannelSettings = {
  host: '10.99.0.1',
  port: 3306,
  user: 'replication',
  gtids: true,
  tls: false,
  connectRetryS: 1,
  heartbeatS: 1,
  retryCount: null,
  sourceServerId: 1,
  filters: false,
  error: '',
};

const FRESH: SetupFacts = {
  variables: GOOD,
  position: 'mariadb:0-1-3',
  databases: [],
  stored: [],
  accounts: [],
  channel: null,
  readers: 0,
};

const WISH: SetupWish = {
  flavour: 'mariadb',
  semiSync: false,
  place: 2,
  agent: { accounts: [{ user: 'vipd', host: 'localhost' }], password: 'agent-secret' },
  replication: { account: { user: 'replication', host: '10.99.0.1' }, password: 'repl-secret' },
};

const WORDS: SetupWords = {
  resetBinlogs: statement('RESET MASTER'),
  gtidsOn: [],
  installSemiSync: [],
  changeSource: () => statement('CHANGE MASTER'),
};

const textsOf = (facts: Partial<SetupFacts>, wish: Partial<SetupWish> = {}): readonly string[] => {
  const plan = planServer({ ...FRESH, ...facts }, { ...WISH, ...wish }, WORDS, new Map());
  return 'steps' in plan ? plan.steps.map(({ text }) => text) : plan.refused;
};

const RESET = 'delete the binary logs of a server that holds no data yet (0-1-3)';

describe('the binary logs of a server', () => {
  test('without data are deleted', () => expect(textsOf({})).toContain(RESET));

  test.each<[string, Partial<SetupFacts>]>([
    ['with a database', { databases: ['shop'] }],
    ['with an account of somebody', { accounts: [{ user: 'app', host: '%' }] }],
    [
      'whose replication account is there, so that the other may have read them',
      {
        accounts: [{ user: 'replication', host: '10.99.0.1' }],
      },
    ],
    ['with a channel', { channel: CHANNEL }],
    ['that somebody reads', { readers: 1 }],
    ['that are empty', { position: 'mariadb:' }],
  ])('%s stay', (_, facts) => expect(textsOf(facts).join()).not.toContain('binary logs'));
});

test('no secret is shown, and each account is made once', () => {
  const plan = planServer(FRESH, WISH, WORDS, new Map());
  const statements = 'steps' in plan ? plan.steps.flatMap(({ statements }) => statements) : [];
  expect(statements.filter(({ sql }) => sql.includes('secret'))).toHaveLength(2);
  expect(statements.filter(({ shown }) => shown.includes('secret'))).toEqual([]);
  const again = textsOf({ accounts: [...WISH.agent.accounts, WISH.replication.account] });
  // Its privileges are not known here, and so are given again.
  expect(again).toEqual(['the database vipd', "the agent's account 'vipd'@'localhost', with what it needs"]);
});

test('what needs a restart is refused as a whole, with its line; what does not is set', () => {
  const variables = new Map([...GOOD, ['log_bin', 'OFF'], ['bind_address', '127.0.0.1']]);
  expect(textsOf({ variables })).toEqual([
    expect.stringContaining('write log_bin = binlog into my.cnf, and restart the server'),
    expect.stringContaining('write bind_address = * into my.cnf'),
  ]);
  const numbering = textsOf({ variables: new Map([...GOOD, ['auto_increment_increment', '1']]) });
  expect(numbering).toContain('SET GLOBAL auto_increment_increment = 2');
  expect(numbering).toContain('SET GLOBAL auto_increment_offset = 2');
});

describe('two servers', () => {
  const judge = (own: Partial<SetupFacts>, peer: Partial<SetupFacts>) =>
    judgePair({ here: 'db1', there: 'db2', own: { ...FRESH, ...own }, peer: { ...FRESH, ...peer } }).join();

  test('that are alike may replicate', () => expect(judge({}, {})).toBe(''));
  test('of which the other has more transactions of the same data may', () =>
    expect(judge({ stored: ['shop'] }, { stored: ['shop'], position: 'mariadb:0-1-9' })).toBe(''));

  test.each<[string, Partial<SetupFacts>, Partial<SetupFacts>, RegExp]>([
    [
      'this one has commits of its own',
      { position: 'mariadb:0-1-9', databases: ['shop'], accounts: [{ user: 'app', host: '%' }] },
      {},
      /db1 has committed what db2 has not: 0-1-9 \(it has databases: shop; accounts: 'app'@'%'\); restore db2/,
    ],
    ['data is older than the binary logs here', { stored: ['shop'] }, {}, /db1 has databases that db2 has not: shop/],
    ['or there', {}, { stored: ['shop'] }, /db2 has databases that db1 has not: shop; restore db1/],
    [
      'data came without a position',
      { stored: ['shop'], position: 'mariadb:' },
      { stored: ['shop'] },
      /db1 has data \(shop\) and no GTID position/,
    ],
  ])('%s', (_, own, peer, why) => expect(judge(own, peer)).toMatch(why));
});

describe('a channel', () => {
  const wish = { host: '10.99.0.1', port: 3306, user: 'replication' };
  const planOf = (more: Partial<ChannelSettings>, applied = true, flavour: 'mariadb' | 'mysql' = 'mariadb') =>
    planChannel({ ...CHANNEL, ...more }, wish, flavour, applied);

  test('as it should be is left alone', () => expect(planOf({})).toEqual({ kind: 'fine' }));
  test('that is not there is made', () =>
    expect(planChannel(null, wish, 'mysql', true)).toMatchObject({ kind: 'change' }));
  test('from elsewhere is not touched', () => expect(planOf({ host: '10.99.0.9' })).toMatchObject({ kind: 'refused' }));
  test('with received transactions that wait is not changed', () =>
    expect(planOf({ gtids: false }, false)).toMatchObject({ kind: 'refused' }));
  test.each([
    { gtids: false },
    { user: 'repl' },
    { connectRetryS: 60 },
    { heartbeatS: 30 },
    { error: "error connecting: Access denied for user 'replication'" },
  ])('with %o is changed', (wrong) => expect(planOf(wrong)).toMatchObject({ kind: 'change' }));
  test('of MySQL without TLS, or that gives up, is changed', () => {
    expect(planOf({}, true, 'mysql')).toMatchObject({ kind: 'change', why: 'it does not use TLS' });
    expect(planOf({ tls: true, retryCount: 10 }, true, 'mysql')).toMatchObject({
      why: 'it gives up after 10 attempts',
    });
  });
});
