import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { metricNames } from '../../src/control/metrics.fixture.js';
import { attempt } from '../lab/command.js';
import { createDaemon, type Daemon } from '../lab/daemon.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab } from '../lab/lab.js';
import { ROOT } from '../lab/programs.js';
import { ADDRESSES, NODES } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, untilPair } from '../survival/ground.js';
import { askHttp, HTTP_PORT, WITH_HTTP } from './ground.js';

const PROMETHEUS = join(ROOT, 'examples', 'prometheus');
const RULES = join(PROMETHEUS, 'vipd.rules.yaml');
const DASHBOARD = join(ROOT, 'examples', 'grafana', 'vipd.json');
const PROMETHEUS_PORT = 9_090;

/** What every panel and annotation asks, with Grafana's variables filled in. */
const dashboardQueries = (): readonly string[] => {
  const found: string[] = [];
  JSON.parse(readFileSync(DASHBOARD, 'utf8'), (key, value) => {
    if (key === 'expr' && typeof value === 'string') found.push(value);
    return value;
  });
  const variables: Readonly<Record<string, string>> = { group: '.*', __rate_interval: '1m', __interval: '1m' };
  return found.map((query) => query.replaceAll(/\$(\w+)/g, (_all, name: string) => variables[name] ?? `$${name}`));
};

const promtool = (args: readonly string[], input = '') => attempt(['promtool', ...args], { input });

inSandbox('test/http/prometheus.lab.test.ts', () => {
  let lab: Lab;
  let prometheus: Daemon;

  /** Prometheus' HTTP API, "Querying". */
  const api = async (path: string, parameters: Readonly<Record<string, string>> = {}): Promise<ApiAnswer> => {
    const query = Object.entries(parameters).flatMap(([name, value]) => ['--data-urlencode', `${name}=${value}`]);
    const url = `http://127.0.0.1:${PROMETHEUS_PORT}/api/v1/${path}`;
    const { stdout } = await lab.exec('client', ['curl', '--silent', '--get', ...query, url]);
    return JSON.parse(stdout) as ApiAnswer;
  };
  const valuesOf = async (query: string): Promise<readonly number[]> => {
    const answer = await api('query', { query });
    if (answer.status !== 'success') throw new Error(`${query}: ${answer.error}`);
    return (answer.data.result ?? []).map(({ value }) => Number(value[1]));
  };

  beforeAll(async () => {
    lab = await createLab(WITH_HTTP);
    await untilPair(lab);
    prometheus = createDaemon({
      name: 'prometheus',
      host: 'client',
      argv: [
        'prometheus',
        `--config.file=${writeScrape(lab.directory)}`,
        `--storage.tsdb.path=${join(lab.directory, 'prometheus')}`,
        `--web.listen-address=127.0.0.1:${PROMETHEUS_PORT}`,
      ],
      logFile: join(lab.directory, 'prometheus.log'),
    });
    prometheus.start();
    const everything = [
      ...NODES.map((node) => `up{instance="${ADDRESSES[node].ipv4}:${HTTP_PORT}"}`),
      'vipd_semi_sync_replicas',
    ];
    await waitFor(
      async () => {
        const values = await Promise.all(everything.map(valuesOf));
        return values.every(([value]) => value === 1) || `${everything}: ${JSON.stringify(values)}`;
      },
      'both nodes are scraped',
      PATIENCE_MS,
    );
  });
  afterAll(async () => {
    await prometheus.stop();
    await lab.destroy();
  });

  it.each(NODES)('promtool finds nothing to say against what %s tells', async (node) => {
    const { body } = await askHttp(lab, node, '/metrics');
    expect(body).toContain('# TYPE vipd_active gauge');
    expect(await promtool(['check', 'metrics'], body)).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('the alerts are valid, and say of made-up pairs what they should', async () => {
    expect(await promtool(['check', 'rules', RULES])).toMatchObject({ status: 0 });
    expect(await promtool(['test', 'rules', join(PROMETHEUS, 'vipd.rules.test.yaml')])).toMatchObject({ status: 0 });
  });

  it('the example of a scrape job is one', async () => {
    expect(await promtool(['check', 'config', join(PROMETHEUS, 'scrape.yaml')])).toMatchObject({ status: 0 });
  });

  it('alerts and dashboard ask for metrics that a real pair has', async () => {
    const bodies = await Promise.all(NODES.map(async (node) => (await askHttp(lab, node, '/metrics')).body));
    const told = metricNames(bodies.join('\n').replaceAll(/"[^"]*"/g, ''));
    const asked = metricNames([RULES, DASHBOARD].map((file) => readFileSync(file, 'utf8')).join('\n'));
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter((name) => !told.includes(name))).toEqual([]);
  });

  it('every query of the dashboard is answered, and the main ones with what is so', async () => {
    const queries = dashboardQueries();
    expect(queries.length).toBeGreaterThan(20);
    for (const query of queries) await valuesOf(query);
    expect(await valuesOf('sum by (group) (vipd_active)')).toEqual([1]);
    expect(await valuesOf('sum by (group) (vipd_takeover_ready)')).toEqual([1]);
    expect(await valuesOf('min by (group) (vipd_no_writer)')).toEqual([0]);
    expect(await valuesOf('count(vipd_role == 1)')).toEqual([2]);
  });

  it('Prometheus evaluates every alert, and none is critical while all is well', async () => {
    const { data } = await api('rules');
    const rules = (data.groups ?? []).flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(20);
    await waitFor(
      async () => {
        const now = (await api('rules')).data.groups?.flatMap((group) => group.rules) ?? [];
        const bad = now.filter(({ health }) => health !== 'ok');
        return (
          bad.length === 0 || bad.map(({ name, health, lastError }) => `${name} ${health} ${lastError}`).join('; ')
        );
      },
      'every rule was evaluated',
      PATIENCE_MS,
    );
    // While only the standby has been scraped, nobody is active: that waits to become an alert, and does not.
    await waitFor(
      async () => {
        const { data } = await api('query', { query: 'ALERTS{severity="critical"}' });
        const alerts = (data.result ?? []).map(({ metric }) => `${metric.alertname} ${metric.alertstate}`);
        return alerts.length === 0 || alerts.join('; ');
      },
      'no critical alert is near',
      PATIENCE_MS,
    );
    expect(await valuesOf('count_over_time(ALERTS{severity="critical", alertstate="firing"}[10m])')).toEqual([]);
  });
});

interface ApiAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result?: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [number, string];
    }[];
    readonly groups?: readonly {
      readonly rules: readonly { readonly name: string; readonly health: string; readonly lastError?: string }[];
    }[];
  };
}

/** The example's job, for the lab's addresses and in a hurry. */
const writeScrape = (directory: string): string => {
  const targets = NODES.map((node) => `'${ADDRESSES[node].ipv4}:${HTTP_PORT}'`).join(', ');
  const example = readFileSync(join(PROMETHEUS, 'scrape.yaml'), 'utf8');
  const text = example
    .replace(/targets: .*/, `targets: [${targets}]`)
    .replace('scrape_interval: 15s', 'scrape_interval: 1s')
    .replace('[vipd.rules.yaml]', `['${RULES}']`);
  const path = join(directory, 'prometheus.yml');
  writeFileSync(path, `global: { evaluation_interval: 1s }\n${text}`);
  return path;
};
