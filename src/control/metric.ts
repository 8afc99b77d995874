/** What a metric is, and how its samples are made from values that may not be known. */

import type { Millis } from '../core/types.js';
import type { Moment } from './moment.js';
import type { Report } from './report.js';
import type { NodeStatus } from './status.js';

/** What one scrape tells. */
export interface MetricFacts {
  readonly report: Report;
  /** The node that answers, as the report has it. */
  readonly self: NodeStatus;
  readonly peer: NodeStatus;
  /** What `/active` would answer now. */
  readonly active: boolean;
  /** Answers given since the HTTP server started. */
  readonly requests: readonly { readonly path: string; readonly code: number; readonly count: number }[];
  /** Of the whole process, from getrusage(2) and /proc. */
  readonly process: { readonly cpuSeconds: number; readonly residentBytes: number; readonly startedUnixMs: Millis };
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** Besides `group` and `node`, which all have. */
  readonly labels: readonly string[];
  readonly read: (facts: MetricFacts) => readonly Sample[];
}

type Read = Metric['read'];
export const gauge = (name: string, help: string, read: Read, labels: readonly string[] = []): Metric => ({
  name,
  type: 'gauge',
  help,
  labels,
  read,
});
export const counter = (name: string, help: string, read: Read, labels: readonly string[] = []): Metric => ({
  ...gauge(name, help, read, labels),
  type: 'counter',
});

export const MS_PER_SECOND = 1_000;

export const one = (value: number | null): readonly Sample[] => (value === null ? [] : [{ labels: {}, value }]);
export const flag = (value: boolean | null): readonly Sample[] => one(value === null ? null : Number(value));
export const seconds = (valueMs: Millis | null): readonly Sample[] =>
  one(valueMs === null ? null : valueMs / MS_PER_SECOND);
export const unixSeconds = (moment: Moment | null | undefined): readonly Sample[] =>
  moment ? seconds(Date.parse(moment.wall)) : [];
export const labelled = (label: string, values: Iterable<readonly [string, number]>): readonly Sample[] =>
  [...values].map(([name, value]) => ({ labels: { [label]: name }, value }));
/** One sample for each that could be, 1 for those that are: a series that comes and goes is hard to alert on. */
export const states = (label: string, all: Iterable<string>, are: readonly string[]): readonly Sample[] =>
  labelled(
    label,
    [...all].map((name) => [name, Number(are.includes(name))]),
  );
