import { describe, expect, test } from 'vitest';
import type { Channel } from './flavour.js';
import { planRepair, type RepairFacts } from './repair-plan.js';

const STOPPED: Channel = {
  io: 'stopped',
  sql: 'stopped',
  received: 'mariadb:0-1-5',
  filters: false,
  receiverErrno: 0,
  receiverWaits: false,
  source: '1',
};

const FACTS: RepairFacts = {
  flavour: 'mariadb',
  here: 'db2',
  there: 'db1',
  active: false,
  channel: STOPPED,
  position: 'mariadb:0-1-5',
  stored: 'mariadb:0-1-5',
  peerPosition: 'mariadb:0-1-9',
  applierError: '',
  stoppedAt: '',
};

const planOf = (more: Partial<RepairFacts> = {}, channel: Partial<Channel> = {}) =>
  planRepair({ ...FACTS, channel: { ...STOPPED, ...channel }, ...more });

const ERROR = { io: 'running', sql: 'stopped' } as const;
const STUMBLED = { applierError: 'duplicate entry' } as const;

describe('a channel is started again', () => {
  test('after a stop', () => expect(planOf()).toMatchObject({ kind: 'restart', tls: false }));

  test('after an error of the connection', () =>
    expect(planOf({}, { receiverErrno: 2003, receiverError: 'cannot connect' })).toMatchObject({
      kind: 'restart',
      why: 'its last error was: cannot connect',
    }));

  test('though its login was refused before it was stopped', () =>
    expect(planOf({}, { receiverErrno: 1045, receiverError: 'denied' })).toMatchObject({ kind: 'restart' }));

  test('with TLS where its source asks for it', () =>
    expect(
      planOf(
        { flavour: 'mysql', position: 'mysql:a:1-5', stored: 'mysql:a:1-5', peerPosition: 'mysql:a:1-9' },
        { io: 'connecting', sql: 'running', receiverErrno: 2061, receiverError: 'needs TLS' },
      ),
    ).toMatchObject({ kind: 'restart', tls: true }));

  test('where it stumbles over what it has', () =>
    expect(planOf({ ...STUMBLED, stoppedAt: '0-1-5' }, ERROR)).toMatchObject({
      kind: 'restart',
      why: expect.stringContaining('0-1-5'),
    }));

  test('with relay logs that its source has as well', () =>
    expect(planOf({ stored: 'mariadb:0-1-8' })).toMatchObject({ kind: 'restart' }));

  test('on the active, whose standby has no more', () =>
    expect(planOf({ active: true, position: 'mariadb:0-1-9', peerPosition: 'mariadb:0-1-5' })).toMatchObject({
      kind: 'restart',
    }));
});

describe('it is refused', () => {
  test.each([
    [
      'over a transaction that it has not',
      { ...STUMBLED, stoppedAt: '0-1-6' },
      ERROR,
      /cannot apply the transaction 0-1-6 of db1/,
    ],
    ['over one that is not known', STUMBLED, ERROR, /cannot apply a transaction of db1: duplicate entry/],
    [
      'with commits of its own',
      { position: 'mariadb:0-1-5,0-2-6' },
      {},
      /db2 has transactions that db1 has not: 0-2-6/,
    ],
    [
      'on the active, whose standby has more',
      { active: true, peerPosition: 'mariadb:0-1-5,0-2-6' },
      {},
      /db1 has transactions that db2 has not: 0-2-6/,
    ],
    ['while the other is not known', { peerPosition: '' }, {}, /what db1 has committed is not known/],
    ['with relay logs that nobody else has', { stored: 'mariadb:0-1-12' }, {}, /db1 has not: 0-1-12; starting would/],
    [
      'by a login that fails',
      {},
      { io: 'connecting', sql: 'running', receiverErrno: 1045 } as const,
      /refuses the login/,
    ],
  ])('%s', (_, facts, channel, why) =>
    expect(planOf(facts, channel)).toMatchObject({
      kind: 'refused',
      why: expect.stringMatching(why),
      next: expect.stringMatching(/./),
    }),
  );

  test('without a channel', () =>
    expect(planRepair({ ...FACTS, channel: undefined })).toMatchObject({ kind: 'refused' }));
});

test('a channel that runs is left alone', () =>
  expect(planOf({}, { io: 'running', sql: 'running' })).toMatchObject({ kind: 'nothing' }));
