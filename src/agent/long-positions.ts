/**
 * Positions that are longer than a frame carries: told by what came since a base, which the other agent fetches once over
 * the agents' channel. The core sees whole positions only.
 */

import { createHash } from 'node:crypto';
import type { Beat, Message } from '../core/message.js';
import { containsPosition, differencePosition, mergePositions } from '../core/position.js';
import type { Instant, Millis, Position } from '../core/types.js';
import type { AskOptions } from '../net/agent-channel.js';
import { POSITION_MAX_BYTES } from '../wire/body.js';

/** The purpose on the agents' channel. */
export const POSITION = 'position';

export interface LongPositions {
  /** As it goes into a frame. */
  readonly shorten: (message: Message) => Message;
  /** As it was meant. A position whose base is not here is unknown until it is. */
  readonly restore: (message: Message) => Message;
  /** For the purpose `position`: the base of that digest. */
  readonly handler: (request: unknown) => Promise<Position>;
  readonly stop: () => void;
}

export interface LongPositionsOptions {
  readonly ask: (purpose: string, request: unknown, options: AskOptions) => Promise<unknown>;
  readonly now: () => Instant;
  /** A base could not be had; at most once in a row. */
  readonly warn: (text: string) => void;
}

/**
 * A longer one is unknown to the other node, as if it had none. So long a set is compared, and told, within some
 * milliseconds; it has some thousand gaps or servers.
 */
export const LONG_POSITION_MAX_CHARS = 65_536;
/** Of a position in its short form; two of them and the texts of a BEAT fit into a frame. Beyond it a new base is taken. */
const SINCE_MAX_CHARS = 256;
/** Own and fetched: what the other node, or a witness that passes on what it heard, may still refer to. */
const BASES_MAX = 8;
/** Positions that are told again and again: as many as a message has, of both directions. */
const TOLD_MAX = 8;
const FETCH_MS: Millis = 5_000;
const FETCH_RETRY_MS: Millis = 1_000;

/** `since:DIGEST:BODY`: all of the base, and what the body names. No flavour is called so. */
const SINCE = /^since:([\w-]{43}):(.*)$/s;

const digestOf = (position: Position): string => createHash('sha256').update(position).digest('base64url');

const flavourOf = (position: Position): string => position.slice(0, position.indexOf(':'));

/** The one way of writing it, whatever order a server lists its sources in: both ends must come to the same text. */
const canonical = (position: Position): Position => mergePositions(position, `${flavourOf(position)}:`);

export const createLongPositions = (options: LongPositionsOptions): LongPositions => {
  const bases = createRecent<Position>(BASES_MAX);
  const shortened = createRecent<string>(TOLD_MAX);
  const restored = createRecent<Position>(TOLD_MAX);
  /** The position that the other node is to apply, in the words of our server: the core compares texts. */
  let final: Position = '';
  const fetcher = createFetcher(options, (digest, base) => bases.set(digest, base));

  const shortenPosition = (position: Position): string => {
    if (Buffer.byteLength(position) <= POSITION_MAX_BYTES) return position;
    if (position.length > LONG_POSITION_MAX_CHARS) return '';
    const known = shortened.get(position);
    // Told again, its base must not be forgotten meanwhile.
    if (known !== undefined && bases.get(SINCE.exec(known)?.[1] ?? '') !== undefined) return known;
    const text = sinceSome(bases.newestFirst(), position) ?? sinceItself(position);
    shortened.set(position, text);
    return text;
  };

  const sinceItself = (position: Position): string => {
    const base = canonical(position);
    const digest = digestOf(base);
    bases.set(digest, base);
    return `since:${digest}:`;
  };

  const restorePosition = (text: string): Position => {
    const [, digest = '', body = ''] = SINCE.exec(text) ?? [];
    if (digest === '') return text;
    const known = restored.get(text);
    if (known !== undefined) return known;
    const base = bases.get(digest);
    if (base === undefined) {
      fetcher.want(digest);
      return '';
    }
    const position = body === '' ? base : mergePositions(base, `${flavourOf(base)}:${body}`);
    restored.set(text, position);
    return position;
  };

  const restoreApplied = (text: string): Position => {
    const applied = restorePosition(text);
    return applied !== '' && applied !== final && applied === canonical(final) ? final : applied;
  };

  return {
    shorten: (message) => {
      if (message.kind === 'beat') final = message.finalPosition;
      return mapPositions(message, shortenPosition, shortenPosition);
    },
    restore: (message) => mapPositions(message, restorePosition, restoreApplied),
    handler: async (request) => {
      const base = typeof request === 'string' ? bases.get(request) : undefined;
      if (base === undefined) throw new Error('that position is not told any more; the next heartbeat names another');
      return base;
    },
    stop: fetcher.stop,
  };
};

/** By the first base that it has all of, and little more. */
const sinceSome = (bases: readonly (readonly [digest: string, base: Position])[], position: Position) => {
  for (const [digest, base] of bases) {
    if (!containsPosition(position, base)) continue;
    const text = `since:${digest}:${differencePosition(position, base)}`;
    if (text.length <= SINCE_MAX_CHARS) return text;
  }
  return undefined;
};

const mapPositions = (
  message: Message,
  map: (position: string) => string,
  mapApplied: (position: string) => string,
): Message => {
  switch (message.kind) {
    case 'beat':
      return {
        ...message,
        position: map(message.position),
        finalPosition: map(message.finalPosition),
        applied: mapApplied(message.applied),
      } satisfies Beat;
    case 'vote':
    case 'poll': {
      const { verdict } = message;
      return verdict.granted
        ? { ...message, verdict: { ...verdict, lastPosition: map(verdict.lastPosition) } }
        : message;
    }
    case 'release':
      return { ...message, finalPosition: map(message.finalPosition) };
    default:
      return message;
  }
};

interface Recent<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  newestFirst(): readonly (readonly [string, Value])[];
}

/** The last `limit` that were used. */
const createRecent = <Value>(limit: number): Recent<Value> => {
  const values = new Map<string, Value>();
  const set = (key: string, value: Value): void => {
    values.delete(key);
    values.set(key, value);
    const [oldest] = values.keys();
    if (values.size > limit && oldest !== undefined) values.delete(oldest);
  };
  return {
    get: (key) => {
      const value = values.get(key);
      if (value !== undefined) set(key, value);
      return value;
    },
    set,
    newestFirst: () => [...values].reverse(),
  };
};

/** One base at a time, the newest that was asked for, off the heartbeat's path. */
const createFetcher = (
  { ask, now, warn }: LongPositionsOptions,
  have: (digest: string, base: Position) => void,
): { readonly want: (digest: string) => void; readonly stop: () => void } => {
  const ending = new AbortController();
  let busy = false;
  let retryAt: Instant = 0;
  let failing = false;

  const fetch = async (digest: string): Promise<void> => {
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(FETCH_MS)]);
    const ignore = { onData: async () => undefined, onNote: () => undefined };
    const base = await ask(POSITION, digest, { signal, ...ignore });
    if (typeof base !== 'string' || base.length > LONG_POSITION_MAX_CHARS || digestOf(base) !== digest)
      throw new Error('the answer is no such position; run the same vipd on both nodes');
    have(digest, base);
  };

  return {
    want: (digest) => {
      if (busy || now() < retryAt || ending.signal.aborted) return;
      busy = true;
      fetch(digest)
        .then(
          () => {
            failing = false;
          },
          (error: unknown) => {
            retryAt = now() + FETCH_RETRY_MS;
            const text = error instanceof Error ? error.message : String(error);
            if (!failing && !ending.signal.aborted) warn(`a long position is not known here: ${text}`);
            failing = true;
          },
        )
        .finally(() => {
          busy = false;
        });
    },
    stop: () => ending.abort(),
  };
};
