/** Extra transactions as data for programs: what `vipctl divergence --json` prints, and what is kept beside the binary logs. */

import type { Divergence } from './divergence.js';

/** A table that has other columns by now, or is gone, is told by numbers: `@1`. */
export const valuesByName = (values: readonly string[], names: readonly string[] | undefined): Record<string, string> =>
  Object.fromEntries(
    values.map((value, i) => [names?.length === values.length ? (names[i] ?? '') : `@${i + 1}`, value]),
  );

/** The names are an interface: they are added to, not renamed. Values are texts as the server's tool prints them. */
export const listDivergence = ({ missing, count, unread, transactions, columns }: Divergence) => ({
  missing,
  count,
  unread,
  transactions: transactions.map(({ gtid, at, counts, rows, statements }) => ({
    gtid,
    at,
    tables: Object.fromEntries(counts),
    rows: rows.map(({ kind, table, before, after }) => {
      const names = columns.get(table);
      return { kind, table, before: valuesByName(before, names), after: valuesByName(after, names) };
    }),
    statements,
  })),
});
