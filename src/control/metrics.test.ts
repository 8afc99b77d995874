/** The metrics as Prometheus would read them, and whether what is built upon them names only what there is. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { MetricFacts } from './metric.js';
import { METRICS } from './metric-table.js';
import { metricNames } from './metrics.fixture.js';
import { createMetrics } from './metrics.js';
import { reportOf } from './report.js';
import { allWell, STATES } from './status.fixture.js';
import type { Status } from './status.js';

const render = (status: Status, changes: Partial<MetricFacts> = {}): Promise<string> => {
  const [self, peer] = status.nodes;
  if (self === undefined || peer === undefined) throw new Error('a pair has two nodes');
  return createMetrics({ group: status.group, node: status.node }).render({
    report: reportOf(status),
    self,
    peer,
    active: self.active,
    requests: [{ path: '/metrics', code: 200, count: 3 }],
    process: { cpuSeconds: 1.5, residentBytes: 60_000_000, startedUnixMs: 1_772_373_909_000 },
    ...changes,
  });
};

const samplesOf = (text: string, name: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .map((line) => line.slice(name.length));
const own = (node: string, labels = ''): string => `{${labels}group="orders",node="${node}"}`;

test('tell the state of the node, in base units', async () => {
  const text = await render(allWell);
  expect(samplesOf(text, 'vipd_active')).toEqual([`${own('db1')} 1`]);
  expect(samplesOf(text, 'vipd_role')).toContain(`${own('db1', 'role="active",')} 1`);
  expect(samplesOf(text, 'vipd_role').filter((line) => line.endsWith(' 1'))).toHaveLength(1);
  expect(samplesOf(text, 'vipd_lease_remaining_seconds')).toEqual([`${own('db1')} 0.275`]);
  expect(samplesOf(text, 'vipd_last_change_step_duration_seconds')).toContain(
    `${own('db1', 'step="database-catch-up",')} 0.018`,
  );
  expect(samplesOf(text, 'vipd_frames_accepted_total')).toEqual([
    `${own('db1', 'voter="db2",')} 74106`,
    `${own('db1', 'voter="w1",')} 74107`,
  ]);
  expect(samplesOf(text, 'vipd_frames_dropped_total')).toContain(`${own('db1', 'cause="replay",')} 3`);
  expect(samplesOf(text, 'vipd_last_change_timestamp_seconds')).toEqual([
    `${own('db1')} ${Date.parse(allWell.lastChange?.at.wall ?? '') / 1_000}`,
  ]);
});

test('what is not known has no sample, rather than 0', async () => {
  const standby = await render(STATES['all-well-standby'], { active: false });
  for (const name of ['vipd_lease_remaining_seconds', 'vipd_semi_sync_enabled', 'vipd_semi_sync_replicas'])
    expect(samplesOf(standby, name)).toEqual([]);
  expect(samplesOf(await render(allWell), 'vipd_takeover_ready')).toEqual([]);
  expect(samplesOf(standby, 'vipd_takeover_ready')).toEqual([`${own('db2')} 1`]);
});

test('a second scrape replaces the first, counters too', async () => {
  const metrics = createMetrics({ group: 'orders', node: 'db1' });
  const [self, peer] = allWell.nodes;
  if (self === undefined || peer === undefined) throw new Error('a pair has two nodes');
  const facts: MetricFacts = {
    report: reportOf(allWell),
    self,
    peer,
    active: true,
    requests: [],
    process: { cpuSeconds: 2, residentBytes: 1, startedUnixMs: 0 },
  };
  const first = await metrics.render(facts);
  expect(await metrics.render(facts)).toBe(first);
  const later = await metrics.render({ ...facts, report: reportOf({ ...allWell, vips: [] }) });
  expect(samplesOf(first, 'vipd_vip_present')).toHaveLength(2);
  expect(samplesOf(later, 'vipd_vip_present')).toEqual([]);
});

test.each(Object.entries(STATES))('each sample of %s is told once', async (_name, status) => {
  const text = await render(status);
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')));
  expect(new Set(names).size).toBe(names.length);
  expect(series.filter((line) => !/ (\d|-\d|\d\.)/.test(line))).toEqual([]);
});

test.each(['examples/prometheus/vipd.rules.yaml', 'examples/grafana/vipd.json'])(
  '%s names only metrics that there are',
  (path) => {
    const known = METRICS.map(({ name }) => name);
    const named = metricNames(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  },
);

test('each stands in the manual with its type, meaning and labels', () => {
  const manual = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8').split('\n');
  const rows = METRICS.map(
    ({ name, type, help, labels }) =>
      `| \`${name}\` | ${type} | ${help} | ${labels.map((label) => `\`${label}\``).join(', ')} |`,
  );
  expect(manual.filter((line) => /^\| `(vipd|process)_/.test(line))).toEqual(rows);
});
