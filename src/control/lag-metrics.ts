/** The metrics of where lag comes from, by the rules of metric-table.ts. */

import { gauge, labelled, type Metric, one, seconds } from './metric.js';

export const LAG_METRICS: readonly Metric[] = [
  gauge(
    'vipd_replication_backlog_transactions',
    'Transactions that the node has received and not applied.',
    ({ report }) => one(report.database.lag?.backlog ?? null),
  ),
  gauge(
    'vipd_replication_write_rate',
    'Transactions a second that the node receives, or commits as the active.',
    ({ report }) => one(report.database.lag?.writesPerSecond ?? null),
  ),
  gauge(
    'vipd_replication_apply_rate',
    'Transactions a second that the node applies while some wait; none where none waits.',
    ({ report }) => one(report.database.lag?.appliesPerSecond ?? null),
  ),
  gauge(
    'vipd_replication_apply_remaining_seconds',
    'How long it would take to apply what was received; none where that does not move.',
    ({ report }) => seconds(report.database.lag?.applyMs ?? null),
  ),
  gauge(
    'vipd_replication_workers',
    'Threads that apply in parallel, by state; 0 busy and 0 idle where one thread applies all.',
    ({ report: { database } }) => {
      const { workers = null, busyWorkers = null } = database.lag ?? {};
      if (workers === null || busyWorkers === null) return [];
      return labelled('state', [
        ['busy', busyWorkers],
        ['idle', Math.max(0, workers - busyWorkers)],
      ]);
    },
    ['state'],
  ),
  gauge(
    'vipd_database_longest_transaction_seconds',
    "Age of the oldest open transaction of the node's database, an applier's included; 0 where none is open.",
    ({ report }) => seconds(report.database.lag?.longestTransactionMs ?? null),
  ),
];
