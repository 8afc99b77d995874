/** How vipctl tells what only this node has. */

import { describe, expect, test } from 'vitest';
import { db1, db2 } from '../../control/status.fixture.js';
import type { DecodedTransaction } from '../../mysql/decoded-binlog.js';
import { type DivergenceFacts, divergenceJson, renderDivergence } from './divergence.js';

const update: DecodedTransaction = {
  gtid: '0-2-9',
  at: '2026-11-21 10:32:33',
  start: 256,
  rows: [{ kind: 'update', table: 'shop.orders', before: ['1', '5'], after: ['1', "'\u001b[2Jx'"] }],
  counts: new Map([['shop.orders', { insert: 0, update: 1, delete: 0 }]]),
  statements: [],
};
const ddl: DecodedTransaction = {
  ...update,
  gtid: '0-2-10',
  rows: [],
  counts: new Map(),
  statements: ['DROP TABLE a'],
};

const facts = (changes: Partial<DivergenceFacts['divergence']> = {}): DivergenceFacts => ({
  self: db2,
  active: db1,
  divergence: {
    missing: '0-2-10',
    count: 2,
    transactions: [update, ddl],
    parts: [],
    columns: new Map([['shop.orders', ['id', 'v']]]),
    unread: '',
    ...changes,
  },
  kept: { kind: 'kept', directory: '/var/lib/vipd/divergence/0-2-10', bytes: 700 },
});

describe('divergence', () => {
  test('names each transaction with its rows by column, and what steers a terminal is not passed on', () => {
    expect(renderDivergence(facts())).toEqual([
      'db2 has 2 transactions that db1 has not: 0-2-10',
      '',
      '0-2-9  2026-11-21 10:32:33  shop.orders (1 updated)',
      "  update shop.orders: id=1 v=5 -> id=1 v=' [2Jx'",
      '',
      '0-2-10  2026-11-21 10:32:33',
      '  DROP TABLE a',
      '',
      'kept as binary logs: /var/lib/vipd/divergence/0-2-10 (700 bytes)',
    ]);
  });

  test('a table with other columns by now is told by numbers', () => {
    const lines = renderDivergence(facts({ columns: new Map([['shop.orders', ['id']]]) }));
    expect(lines).toContain("  update shop.orders: @1=1 @2=5 -> @1=1 @2=' [2Jx'");
  });

  test('what is not listed is said', () => {
    expect(renderDivergence(facts({ count: 5, unread: 'the oldest were purged' }))).toEqual(
      expect.arrayContaining(['3 more are not listed', 'not listed: the oldest were purged']),
    );
    expect(renderDivergence({ ...facts(), kept: { kind: 'not-kept', why: 'no room' } })).toContain(
      'the binary logs were not kept: no room',
    );
  });

  test('nothing is one line', () => {
    expect(renderDivergence(facts({ missing: '' }))).toEqual(['db2 has nothing that db1 has not']);
  });

  test('for programs the rows are objects', () => {
    expect(divergenceJson(facts())).toMatchObject({
      format: 1,
      node: 'db2',
      active: 'db1',
      transactions: [
        { gtid: '0-2-9', rows: [{ before: { id: '1', v: '5' }, after: { id: '1' } }] },
        { gtid: '0-2-10' },
      ],
      kept: { bytes: 700 },
      notKept: '',
    });
  });
});
