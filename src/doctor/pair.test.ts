import { describe, expect, test } from 'vitest';
import { comparePair, type Traits } from './pair.js';

const MARIADB: Traits = {
  family: 'mariadb',
  version: '10.11.6-MariaDB',
  serverId: '1',
  uuid: '',
  offset: '1',
  increment: '2',
  domain: '0',
};
const MYSQL: Traits = { ...MARIADB, family: 'mysql', version: '8.4.3', uuid: 'a', domain: '' };

const told = (own: Traits, change: Partial<Traits>): readonly (readonly string[])[] =>
  comparePair(own, { ...own, serverId: '2', offset: '2', uuid: own.uuid && 'b', ...change }, 'db2')
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ verdict, check, found = '' }) => [verdict, check, found]);

describe('the two servers of a pair', () => {
  test.each([MARIADB, MYSQL])('of $family that go together are told nothing', (own) =>
    expect(told(own, {})).toEqual([]),
  );

  test.each<[string, Traits, string, string]>([
    ['newer', MYSQL, '9.7.4', 'from a newer to an older server replication may fail'],
    ['older', MYSQL, '8.0.40', '8.4.3 here, 8.0.40 on db2'],
    ['newer', MARIADB, '12.0.2-MariaDB', 'from a newer to an older server replication may fail'],
    [
      'older',
      { ...MARIADB, version: '11.4.2-MariaDB' },
      '10.11.6-MariaDB',
      '11.4.2-MariaDB here, 10.11.6-MariaDB on db2',
    ],
  ])('of which the other is of a %s series are warned of', (_, own, version, words) =>
    expect(told(own, { version })).toEqual([['warning', 'version', expect.stringContaining(words)]]),
  );

  test('of one series may differ in the last number', () => {
    expect(told(MYSQL, { version: '8.4.9' })).toEqual([]);
    expect(told(MARIADB, { version: '10.11.19-MariaDB-log' })).toEqual([]);
  });

  test('of two families cannot be a pair', () =>
    expect(told(MARIADB, { family: 'mysql' })).toEqual([
      ['fault', 'version', expect.stringContaining('db2 has mysql')],
    ]));

  test.each<[string, string, Traits, Partial<Traits>]>([
    ['fault', 'server-id', MARIADB, { serverId: '1' }],
    ['fault', 'server-uuid', MYSQL, { uuid: 'a' }],
    ['fault', 'gtid-domains', MARIADB, { domain: '7' }],
    ['warning', 'auto-increment', MARIADB, { offset: '1' }],
    ['warning', 'auto-increment', MARIADB, { increment: '1' }],
  ])('%s, %s: what must differ, or be alike, and is not', (verdict, check, own, change) =>
    expect(told(own, change).map((one) => one.slice(0, 2))).toEqual([[verdict, check]]),
  );
});
