/** What each address of the HTTP server answers, and to which question. */

import { parseDuration } from '../config/duration.js';
import { type Parsed, parsed } from '../config/problem.js';
import type { Instant, Millis, VoterName } from '../core/types.js';
import { unreadable } from './readers.js';
import { type Report, reportOf } from './report.js';
import type { Status } from './status.js';

/** What the answers are made of. */
export interface HttpFacts {
  readonly group: string;
  readonly node: VoterName;
  readonly now: () => Instant;
  /** The end of the lease under which this node serves, read anew at each question; 0: it does not serve. */
  readonly servesUntil: () => Instant;
  /** At most a moment old. Rejects, saying why, where the agent does not answer. */
  readonly status: () => Promise<Status>;
  /** In Prometheus' text format. */
  readonly metrics: (status: Status) => Promise<string>;
}

export interface HttpAnswer {
  readonly code: 200 | 400 | 404 | 405 | 503;
  readonly type: string;
  readonly body: string;
}

type Question = (facts: HttpFacts, parameters: URLSearchParams) => Promise<HttpAnswer>;

const JSON_TYPE = 'application/json; charset=utf-8';
/** Prometheus' documentation, "Exposition formats": the text format has the version 0.0.4. */
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';

const json = (code: HttpAnswer['code'], value: object): HttpAnswer => ({
  code,
  type: JSON_TYPE,
  body: `${JSON.stringify(value, null, 2)}\n`,
});

const verdict = ({ group, node }: HttpFacts, said: { readonly ok: boolean } & Readonly<Record<string, unknown>>) => {
  const { ok, ...rest } = said;
  return json(ok ? 200 : 503, { group, node, ...rest });
};

/** The clock and the lease decide, not what the agent last said: an agent that hangs does not stay active here. */
const active: Question = async (facts) => {
  const leaseLeftMs = Math.max(0, facts.servesUntil() - facts.now());
  return verdict(facts, { ok: leaseLeftMs > 0, active: leaseLeftMs > 0, leaseLeftMs: Math.ceil(leaseLeftMs) });
};

const standby: Question = async (facts, parameters) => {
  const maxLag = readMaxLag(parameters.get('max_lag'));
  if (!maxLag.ok) return { code: 400, type: TEXT_TYPE, body: `max_lag: ${maxLag.message}; ${maxLag.hint}\n` };
  const why = unreadable(await facts.status(), maxLag.value);
  return verdict(facts, { ok: why === '', standby: why === '', why });
};

const readMaxLag = (text: string | null): Parsed<Millis | null> => (text === null ? parsed(null) : parseDuration(text));

const health: Question = async (facts) => {
  const status = await facts.status();
  const self = status.nodes.find((node) => node.self);
  const found = self?.health ?? 'unknown';
  return verdict(facts, { ok: found === 'ok', health: found, cause: self?.cause ?? '', role: self?.role ?? 'unknown' });
};

/** Texts that health scripts printed stay behind the control socket's group: nobody knows what is in them. */
const withoutOutputs = (report: Report): Report => ({
  ...report,
  checks: report.checks.map((check) => ({ ...check, output: '' })),
});

const status: Question = async (facts) => json(200, withoutOutputs(reportOf(await facts.status())));

const metrics: Question = async (facts) => ({
  code: 200,
  type: METRICS_TYPE,
  body: await facts.metrics(await facts.status()),
});

const QUESTIONS: Readonly<Record<string, Question>> = {
  '/active': active,
  '/standby': standby,
  '/health': health,
  '/status': status,
  '/metrics': metrics,
};

export const HTTP_PATHS: readonly string[] = Object.keys(QUESTIONS);

const BASE = 'http://vipd';
const NOT_FOUND: HttpAnswer = { code: 404, type: TEXT_TYPE, body: `here are ${HTTP_PATHS.join(', ')}\n` };

/** One of {@link HTTP_PATHS}, or `other`: for counting. */
export const knownPath = (target: string): string => {
  const path = URL.canParse(target, BASE) ? new URL(target, BASE).pathname : '';
  return Object.hasOwn(QUESTIONS, path) ? path : 'other';
};

/** `target` as the request line has it (RFC 9112, 3.2). Never rejects: an agent that does not answer is a 503 with its reason. */
export const answerTo = async (target: string, facts: HttpFacts): Promise<HttpAnswer> => {
  const question = QUESTIONS[knownPath(target)];
  if (question === undefined) return NOT_FOUND;
  try {
    return await question(facts, new URL(target, BASE).searchParams);
  } catch (cause) {
    return verdict(facts, { ok: false, error: cause instanceof Error ? cause.message : String(cause) });
  }
};
