/** The metrics of one node in Prometheus' text format. */

import { Counter, Gauge, Registry } from 'prom-client';
import type { Metric, MetricFacts } from './metric.js';
import { METRICS } from './metric-table.js';

export interface Metrics {
  readonly render: (facts: MetricFacts) => Promise<string>;
}

/** `group` and `node` become labels of every sample: one Prometheus watches many pairs. */
export const createMetrics = (labels: { readonly group: string; readonly node: string }): Metrics => {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  const fills = METRICS.map((metric) => register(registry, metric));
  return {
    render: (facts) => {
      for (const fill of fills) fill(facts);
      return registry.metrics();
    },
  };
};

const register = (registry: Registry, metric: Metric): ((facts: MetricFacts) => void) => {
  const options = {
    name: metric.name,
    help: metric.help,
    labelNames: [...metric.labels],
    registers: [registry],
  };
  const family = metric.type === 'gauge' ? new Gauge(options) : new Counter(options);
  return (facts) => {
    family.reset();
    // A family without labels starts at 0, and not to know is not 0.
    if (metric.labels.length === 0) family.remove();
    for (const { labels, value } of metric.read(facts)) family.inc({ ...labels }, value);
  };
};
