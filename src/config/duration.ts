/** Lengths of time as the configuration writes them: `100ms`, `5s`, `10m`, `1h`. */

import { type Parsed, parsed, quote, refused } from './problem.js';

declare const millisBrand: unique symbol;

/** A length of time in whole milliseconds, told apart from plain numbers by the compiler. */
export type Millis = number & { readonly [millisBrand]: true };

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

type Unit = keyof typeof UNIT_MS;

/** For JSON Schema and editors; `parseDuration` gives the reasons. */
export const DURATION_PATTERN = '^[0-9]{1,9}(ms|s|m|h)$';

/** What people write for our units elsewhere (systemd.time(7), Go, keepalived). */
const UNIT_SPELLINGS: Readonly<Record<string, Unit>> = {
  msec: 'ms',
  millis: 'ms',
  milliseconds: 'ms',
  sec: 's',
  secs: 's',
  second: 's',
  seconds: 's',
  min: 'm',
  mins: 'm',
  minute: 'm',
  minutes: 'm',
  hr: 'h',
  hour: 'h',
  hours: 'h',
};

const FORMS = 'write a whole number with its unit: 100ms, 5s, 10m or 1h';

export const millis = (value: number): Millis => value as Millis;

/** Reads a duration; the message of a refusal names what would be right. */
export const parseDuration = (value: unknown): Parsed<Millis> => {
  if (typeof value === 'number' && Number.isFinite(value))
    return refused(`${quote(value)} has no unit`, withUnit(value));
  if (typeof value !== 'string') return refused(`${quote(value)} is not a duration`, FORMS);
  const match = /^([0-9]{1,9})(ms|s|m|h)$/.exec(value);
  if (match === null) return refuse(value);
  const [, digits = '', unit = ''] = match;
  return parsed(millis(Number(digits) * UNIT_MS[unit as Unit]));
};

const withUnit = (value: number): string => (Number.isInteger(value) && value > 0 ? `write ${value}ms` : FORMS);

const refuse = (text: string): Parsed<Millis> => {
  if (/^[0-9]+$/.test(text)) return refused(`${quote(text)} has no unit`, withUnit(Number(text)));
  if (text.startsWith('-')) return refused(`${quote(text)} is negative`, FORMS);
  const loose = /^([0-9]{1,9})(\.[0-9]+)?\s*([a-z]+)$/i.exec(text);
  if (loose === null) return refused(`${quote(text)} is not a duration`, FORMS);
  const [, whole = '', fraction = '', spelling = ''] = loose;
  const unit = unitOf(spelling);
  if (unit === undefined) return refused(`${quote(text)} has the unknown unit ${quote(spelling)}`, FORMS);
  const inMs = Number(`${whole}${fraction}`) * UNIT_MS[unit];
  if (fraction !== '') return refused(`${quote(text)} has a fraction`, `write ${formatDuration(Math.round(inMs))}`);
  return refused(`${quote(text)} is not spelt as durations are here`, `write ${whole}${unit}`);
};

const unitOf = (spelling: string): Unit | undefined => {
  const lower = spelling.toLowerCase();
  if (Object.hasOwn(UNIT_MS, lower)) return lower as Unit;
  return Object.hasOwn(UNIT_SPELLINGS, lower) ? UNIT_SPELLINGS[lower] : undefined;
};

/** The shortest exact spelling: 90000 is `90s`, 60000 is `1m`. */
export const formatDuration = (valueMs: number): string => {
  if (valueMs === 0) return '0s';
  for (const unit of ['h', 'm', 's'] as const) {
    if (valueMs % UNIT_MS[unit] === 0) return `${valueMs / UNIT_MS[unit]}${unit}`;
  }
  return `${valueMs}ms`;
};
