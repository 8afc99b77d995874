/**
 * What vipctl and the agent say to each other: JSON, one object a line, over a unix socket.
 *
 * One request at a time on a connection; any number of `progress` replies, then one `done`. A client that goes away
 * cancels nothing.
 */

import { z } from 'zod';

/** Longest request, without its newline. */
export const MAX_REQUEST_BYTES = 64 * 1024;

/** The longest time an operator can give an operation. */
export const MAX_OPERATION_MS = 3_600_000;

/** 30 days: a longer pause is one that was forgotten. */
export const MAX_PAUSE_MS = 30 * 24 * 3_600_000;

export const DEFAULT_SWITCHOVER_MS = 30_000;

export const DEFAULT_HISTORY_ENTRIES = 50;
/** As many as the journal tells. */
export const MAX_HISTORY_ENTRIES = 2_000;

/** An explanation names keys of the request, which can be as long as it is. */
const MAX_WHY_LENGTH = 300;

const operationMs = z.int().min(1).max(MAX_OPERATION_MS);

const requestSchema = z.discriminatedUnion('request', [
  z.strictObject({ request: z.literal('status') }),
  z.strictObject({
    request: z.literal('switchover'),
    /** Say what would happen, and change nothing. */
    dryRun: z.boolean().default(false),
    /** Kill what would block it. */
    force: z.boolean().default(false),
    timeoutMs: operationMs.default(DEFAULT_SWITCHOVER_MS),
  }),
  z.strictObject({ request: z.literal('promote'), acceptLoss: z.boolean().default(false) }),
  z.strictObject({
    request: z.literal('pause'),
    /** -1: until `resume`. */
    forMs: z.union([z.literal(-1), z.int().min(1).max(MAX_PAUSE_MS)]).default(-1),
  }),
  z.strictObject({ request: z.literal('resume') }),
  z.strictObject({ request: z.literal('maintenance'), on: z.boolean() }),
  /** Answered once the file has been taken over, or refused with the reason; with `InvalidFile` where it is not valid. */
  z.strictObject({ request: z.literal('reload') }),
  /** Answered with `HistoryEntry[]`, oldest first. */
  z.strictObject({
    request: z.literal('history'),
    limit: z.int().min(1).max(MAX_HISTORY_ENTRIES).default(DEFAULT_HISTORY_ENTRIES),
  }),
  /** Answered with `ok` true where this node is active, and its role as the text. */
  z.strictObject({ request: z.literal('is-active') }),
]);

/** A request with its defaults filled in. */
export type Request = z.output<typeof requestSchema>;

/** The data of a refused reload whose file check-config would refuse as well. */
export interface InvalidFile {
  readonly invalid: true;
}

export const isInvalidFile = (data: unknown): data is InvalidFile =>
  typeof data === 'object' && data !== null && 'invalid' in data && data.invalid === true;

/** A request as a client may write it. */
export type RequestInput = z.input<typeof requestSchema>;

const replySchema = z.discriminatedUnion('reply', [
  z.object({ reply: z.literal('progress'), text: z.string() }),
  z.object({ reply: z.literal('done'), ok: z.boolean(), text: z.string(), data: z.unknown().optional() }),
]);

export type Reply = z.output<typeof replySchema>;

/** A line understood, or why not, in words for whoever sent it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** Reads a request line; what is wrong with it is told in at most `MAX_WHY_LENGTH` characters. */
export const parseRequest = (line: Uint8Array): Parsed<Request> => {
  const json = parseJson(line);
  if (!json.ok) return { ok: false, why: `the request is not one line of JSON: ${json.why}` };
  const parsed = requestSchema.safeParse(json.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, why: `not a request that this agent understands: ${firstIssue(parsed.error)}` };
};

/** Reads a reply line. */
export const parseReply = (line: Uint8Array): Parsed<Reply> => {
  const json = parseJson(line);
  if (!json.ok) return json;
  const parsed = replySchema.safeParse(json.value);
  return parsed.success ? { ok: true, value: parsed.data } : { ok: false, why: firstIssue(parsed.error) };
};

export const encodeLine = (value: RequestInput | Reply): string => `${JSON.stringify(value)}\n`;

const parseJson = (line: Uint8Array): Parsed<unknown> => {
  try {
    return { ok: true, value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line)) };
  } catch (error) {
    // V8 quotes the text it could not parse, which does not belong in an answer or a log.
    return { ok: false, why: error instanceof SyntaxError ? 'malformed JSON' : 'not UTF-8' };
  }
};

const firstIssue = (error: z.ZodError): string => {
  const issue = error.issues[0];
  if (issue === undefined) return 'unknown error';
  const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
  return `${where}${issue.message}`.slice(0, MAX_WHY_LENGTH);
};
