/** Requests of the control socket, sound and bent, and an account of its own of which are sound. */

import fc from 'fast-check';
import { MAX_REQUEST_BYTES, type Request, type RequestInput } from '../../src/control/protocol.js';
import type { Command } from '../../src/core/event.js';

interface Field {
  readonly takes: (value: unknown) => boolean;
  readonly sample: fc.Arbitrary<unknown>;
  /** Without one the field has to be there. */
  readonly fallback?: unknown;
}

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max;

const boolean: Field = { takes: (value) => typeof value === 'boolean', sample: fc.boolean() };
const flag: Field = { ...boolean, fallback: false };
const whole = (max: number, fallback: number): Field => ({
  takes: (value) => isWhole(value, 1, max),
  sample: fc.integer({ min: 1, max }),
  fallback,
});
const pause = whole(30 * 24 * 3_600_000, -1);

/** Written down once more rather than taken from the schema: a schema that lets anything pass must not judge itself. */
const FIELDS: Readonly<Record<Request['request'], Readonly<Record<string, Field>>>> = {
  status: {},
  switchover: { dryRun: flag, force: flag, timeoutMs: whole(3_600_000, 30_000) },
  promote: { acceptLoss: flag },
  pause: {
    forMs: {
      ...pause,
      takes: (value) => value === -1 || pause.takes(value),
      sample: fc.oneof(fc.constant(-1), pause.sample),
    },
  },
  resume: {},
  maintenance: { on: boolean },
  reload: {},
  history: { limit: whole(2_000, 50) },
  'is-active': {},
};
const NAMES = Object.keys(FIELDS) as readonly Request['request'][];
const ALL_KEYS = [...new Set(Object.values(FIELDS).flatMap((fields) => Object.keys(fields)))];
const COMMANDS = new Set<string>([
  'switchover',
  'promote',
  'pause',
  'resume',
  'maintenance',
] satisfies Command['name'][]);

/** The request on a line, with its defaults filled in; null where it is none. */
export const readRequest = (line: Buffer): Request | null => {
  if (line.length > MAX_REQUEST_BYTES) return null;
  let said: unknown;
  try {
    said = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch {
    return null;
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said)) return null;
  const { request, ...given } = Object.fromEntries(Object.entries(said));
  const name = NAMES.find((one) => one === request);
  if (name === undefined || Object.keys(given).some((key) => !Object.hasOwn(FIELDS[name], key))) return null;
  const filled: Record<string, unknown> = { request: name };
  for (const [key, field] of Object.entries(FIELDS[name])) {
    const value = Object.hasOwn(given, key) ? given[key] : field.fallback;
    if (value !== field.fallback && !field.takes(value)) return null;
    if (value === undefined) return null;
    filled[key] = value;
  }
  return filled as Request;
};

/** What an agent is told by a request, in the words of the core; null where it is only a question. */
export const commandOf = ({ request: name, ...rest }: Request): Command | null =>
  COMMANDS.has(name) ? ({ name, ...rest } as Command) : null;

/** Any request that a client may write. */
export const soundRequest: fc.Arbitrary<RequestInput> = fc.constantFrom(...NAMES).chain((name) => {
  const fields = Object.entries(FIELDS[name]);
  const samples = Object.fromEntries(fields.map(([key, { sample }]) => [key, sample]));
  const requiredKeys = fields.filter(([, { fallback }]) => fallback === undefined).map(([key]) => key);
  return fc.record(samples, { requiredKeys }).map((given) => ({ request: name, ...given }) as RequestInput);
});

/** Texts of values: JSON can write numbers that no number is, and clients write what is no JSON. */
const ODD_VALUES = [
  ...['null', 'true', '"true"', '0', '1', '-1', '-2', '-0', '1.5', '1e3', '1e400', '-1e400', '1e-400', '"1"', '""'],
  ...['2000', '2001', '3600000', '3600001', '2592000000', '2592000001', '9007199254740993', '"\\ud800"', '"\\u0000"'],
  ...['[]', '{}', '[true]', '[1]', '{"__proto__":true}'],
  ...['NaN', 'Infinity', 'undefined', '0x10', '01', '+1', "'a'", '', 'new Date()', '1n'],
];
const ODD_KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '',
  'on ',
  'Request',
  '\u0000',
];
const oddValue = fc.oneof(fc.constantFrom(...ODD_VALUES), fc.json({ maxDepth: 3 }));
const oddKey = fc.oneof(
  fc.constantFrom('request', ...ALL_KEYS),
  fc.constantFrom(...ODD_KEYS),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const oddName = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'Status', 'status ', '', 'reboot'), fc.string());

/** Each field of each request with each odd value, and each request with each key that it does not have. */
export const BENT_FIELDS: readonly string[] = NAMES.flatMap((name) => {
  const own = Object.keys(FIELDS[name]);
  const bent = own.flatMap((key) => ODD_VALUES.map((value) => [key, value] as const));
  const foreign = [...ODD_KEYS, ...ALL_KEYS.filter((key) => !own.includes(key))].map((key) => [key, 'true'] as const);
  // All but the one field are sound.
  const rest = name === 'maintenance' ? ',"on":true' : '';
  return [...bent, ...foreign].map(
    ([key, value]) => `{"request":"${name}"${key === 'on' ? '' : rest},${JSON.stringify(key)}:${value}}`,
  );
});

/** An object with a name of a request and some fields of it, of which any can be wrong, doubled, or none of its own. */
const bentRequest: fc.Arbitrary<string> = fc
  .tuple(
    soundRequest,
    fc.array(fc.tuple(oddKey, oddValue), { maxLength: 3 }),
    fc.option(oddName, { freq: 8 }),
    fc.nat({ max: 4 }),
  )
  .map(([sound, odd, name, at]) => {
    const given = Object.entries({ ...sound, request: name ?? sound.request });
    const entries = given.map(([key, value]) => [key, JSON.stringify(value)] as const).toSpliced(at, 0, ...odd);
    return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
  });

const deep: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom(['[', ']'], ['{"a":', '}'], ['{"request":', '}'], ['[{"on":', '}]']), fc.nat({ max: 9_000 }))
  .chain(([[open = '', close = ''], depth]) =>
    fc.nat({ max: 1 }).map((whole) => `${open.repeat(depth)}1${close.repeat(whole * depth)}`),
  );

/** White space is no error, and so a request can be just as long as one likes, and a byte too long. */
const padded: fc.Arbitrary<string> = fc
  .tuple(soundRequest, fc.constantFrom(0, 1, 2, MAX_REQUEST_BYTES), fc.boolean())
  .map(([sound, over, before]) => {
    const text = JSON.stringify(sound);
    const room = ' '.repeat(MAX_REQUEST_BYTES - 1 + over - text.length);
    return before ? room + text : text + room;
  });

const cut: fc.Arbitrary<string> = fc
  .tuple(soundRequest, fc.nat({ max: 100 }), fc.boolean())
  .map(([sound, at, tail]) => (tail ? JSON.stringify(sound).slice(at) : JSON.stringify(sound).slice(0, at)));

const NEWLINE = 0x0a;
const SHOWN_BYTES = 200;
const noise: fc.Arbitrary<Uint8Array> = fc
  .uint8Array({ maxLength: 300 })
  .map((raw) => raw.filter((byte) => byte !== NEWLINE));

/** A counterexample is for people: text, and not all of 64 kB. */
const readable = (bytes: Buffer): Buffer =>
  Object.assign(bytes, {
    [fc.toStringMethod]: () =>
      `${JSON.stringify(bytes.subarray(0, SHOWN_BYTES).toString('latin1'))} of ${bytes.length} bytes`,
  });

/** Anything but a newline. */
export const anyLine: fc.Arbitrary<Buffer> = fc
  .oneof(
    { weight: 6, arbitrary: soundRequest.map((sound) => JSON.stringify(sound)) },
    { weight: 6, arbitrary: bentRequest },
    { weight: 6, arbitrary: fc.constantFrom(...BENT_FIELDS) },
    { weight: 2, arbitrary: cut },
    { weight: 2, arbitrary: fc.json() },
    { weight: 2, arbitrary: noise },
    { weight: 1, arbitrary: deep },
    { weight: 1, arbitrary: padded },
  )
  .map((line) => readable(Buffer.from(line)));
