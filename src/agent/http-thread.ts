/**
 * The thread of the HTTP server: whatever clients do to it costs this thread's time, and not the lease.
 *
 * What must be true now (is this node active?) is read from shared memory; the rest is asked of the agent, seldom.
 */

import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { answerTo, type HttpFacts, knownPath } from '../control/http-answer.js';
import { createHttpServer } from '../control/http-server.js';
import type { MetricFacts } from '../control/metric.js';
import { createMetrics } from '../control/metrics.js';
import { reportOf } from '../control/report.js';
import { openServing } from '../control/serving.js';
import type { Status } from '../control/status.js';
import { boottimeMs } from '../host/clock.js';
import type { FromAgent, FromThread, HttpThreadData } from './http.js';
import { createStatusAsker } from './status-asker.js';

/** Requests counted by path and code: of both there are few. */
const countRequests = () => {
  const counts = new Map<string, { readonly path: string; readonly code: number; count: number }>();
  return {
    note: (target: string, code: number): void => {
      const path = knownPath(target);
      const key = `${path} ${code}`;
      const known = counts.get(key) ?? { path, code, count: 0 };
      known.count += 1;
      counts.set(key, known);
    },
    all: () => [...counts.values()],
  };
};

/** A thread begins with the priority of the one that made it (setpriority(2), Bugs), which goes before all others here. */
const goBehindTheAgent = (): void => {
  const thread = Number(basename(readlinkSync('/proc/thread-self')));
  // Whoever was made to go behind others already may not go further forward.
  if (getPriority(thread) < constants.priority.PRIORITY_NORMAL) setPriority(thread, constants.priority.PRIORITY_NORMAL);
};

const STARTED_UNIX_MS = Date.now() - process.uptime() * 1_000;

const processFacts = (): MetricFacts['process'] => {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    startedUnixMs: STARTED_UNIX_MS,
  };
};

const run = (port: NonNullable<typeof parentPort>, data: HttpThreadData): void => {
  const tell = (message: FromThread): void => port.postMessage(message);
  const serving = openServing(data.serving);
  const requests = countRequests();
  const metrics = createMetrics({ group: data.group, node: data.node });
  const asker = createStatusAsker({ ask: () => tell({ type: 'ask' }), now: boottimeMs });
  port.on('message', (message: FromAgent) => asker.told(message));

  let rendered: { readonly of: Status; readonly active: boolean; readonly text: Promise<string> } | null = null;
  /** Many that scrape at once read one text. */
  const render = (status: Status): Promise<string> => {
    const active = serving.until() > boottimeMs();
    if (rendered?.of !== status || rendered.active !== active)
      rendered = { of: status, active, text: write(status, active) };
    return rendered.text;
  };
  const write = (status: Status, active: boolean): Promise<string> => {
    const [self, peer] = status.nodes;
    if (self === undefined || peer === undefined) throw new Error('the status names fewer than two nodes');
    const known = { report: reportOf(status), self, peer, active, requests: requests.all(), process: processFacts() };
    return metrics.render(known);
  };
  const facts: HttpFacts = {
    group: data.group,
    node: data.node,
    now: boottimeMs,
    servesUntil: serving.until,
    status: asker.status,
    metrics: render,
  };
  createHttpServer({
    listen: data.listen,
    answer: (target) => answerTo(target, facts),
    onState: (state) => tell({ type: 'state', state }),
    onAnswered: requests.note,
  });
};

if (parentPort !== null) {
  goBehindTheAgent();
  run(parentPort, workerData as HttpThreadData);
}
