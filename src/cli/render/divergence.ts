/** What only this node has, for people and for programs. */

import type { NodeStatus } from '../../control/status.js';
import type { ChangedRow, DecodedTransaction } from '../../mysql/decoded-binlog.js';
import type { Divergence } from '../../mysql/divergence.js';
import { listDivergence, valuesByName } from '../../mysql/divergence-list.js';
import type { Kept } from '../../mysql/kept-binlog.js';
import { printable, printableLines } from './text.js';

export interface DivergenceFacts {
  readonly self: NodeStatus;
  readonly active: NodeStatus;
  readonly divergence: Divergence;
  readonly kept: Kept | null;
}

/** Rows printed of one transaction; `--json` has more, and the kept binary logs have all. */
const MAX_ROWS_SHOWN = 20;

export const renderDivergence = ({ self, active, divergence, kept }: DivergenceFacts): readonly string[] => {
  if (divergence.missing === '') return [`${self.name} has nothing that ${active.name} has not`];
  const { count, missing, transactions, unread } = divergence;
  const counted = count === 1 ? '1 transaction' : `${count > 0 ? count : 'some'} transactions`;
  const left = count - transactions.length;
  return [
    `${self.name} has ${counted} that ${active.name} has not: ${missing}`,
    ...transactions.flatMap((transaction) => ['', ...transactionLines(transaction, divergence.columns)]),
    '',
    ...(left > 0 ? [`${left} more are not listed`] : []),
    ...(unread === '' ? [] : [`not listed: ${unread}`]),
    ...(kept === null ? [] : [keptLine(kept)]),
  ];
};

export const keptLine = (kept: Kept): string =>
  kept.kind === 'kept'
    ? `kept as binary logs: ${kept.directory} (${kept.bytes} bytes)`
    : `the binary logs were not kept: ${kept.why}`;

const transactionLines = (
  { gtid, at, rows, counts, statements }: DecodedTransaction,
  columns: ReadonlyMap<string, readonly string[]>,
): readonly string[] => {
  const total = [...counts.values()].reduce((sum, kinds) => sum + kinds.insert + kinds.update + kinds.delete, 0);
  const shown = rows.slice(0, MAX_ROWS_SHOWN);
  return [
    `${gtid}  ${at}  ${[...counts].map(([table, kinds]) => printable(`${table} (${countText(kinds)})`)).join(', ')}`.trimEnd(),
    ...shown.map((row) => `  ${printable(rowText(row, columns.get(row.table)))}`),
    ...(total > shown.length ? [`  and ${total - shown.length} more rows`] : []),
    ...statements.flatMap((statement) => printableLines(statement).map((line) => `  ${line}`)),
  ];
};

const countText = (kinds: Readonly<Record<ChangedRow['kind'], number>>): string =>
  (['insert', 'update', 'delete'] as const)
    .filter((kind) => kinds[kind] > 0)
    .map((kind) => `${kinds[kind]} ${PAST[kind]}`)
    .join(', ');

const PAST = { insert: 'inserted', update: 'updated', delete: 'deleted' } as const;

const rowText = ({ kind, table, before, after }: ChangedRow, names: readonly string[] | undefined): string => {
  switch (kind) {
    case 'insert':
      return `insert ${table}: ${valuesText(after, names)}`;
    case 'delete':
      return `delete ${table}: ${valuesText(before, names)}`;
    case 'update':
      return `update ${table}: ${valuesText(before, names)} -> ${valuesText(after, names)}`;
    default:
      return kind satisfies never;
  }
};

const valuesText = (values: readonly string[], names: readonly string[] | undefined): string =>
  Object.entries(valuesByName(values, names))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** Names and values as `listDivergence` gives them; to be added to, not renamed. */
export const divergenceJson = ({ self, active, divergence, kept }: DivergenceFacts): unknown => ({
  format: 1,
  node: self.name,
  active: active.name,
  ...listDivergence(divergence),
  kept: kept?.kind === 'kept' ? { directory: kept.directory, bytes: kept.bytes } : null,
  notKept: kept?.kind === 'not-kept' ? kept.why : '',
});
