/** The kinds of value the schemas are made of, each with messages that say what would be right. */

import { z } from 'zod';
import { parseAddress, parseAddressWithPrefix, parseEndpoint, parseInterfaceName } from './address.js';
import { DURATION_PATTERN, formatDuration, type Millis, parseDuration } from './duration.js';
import { type Parsed, parsed, quote, refused, type Wrong } from './problem.js';

/** ASCII's unit separator: zod hands one string through, and no quoted value can contain this character. */
const SEPARATOR = '\u001f';

const encode = (wrong: Wrong): string => `${wrong.message}${SEPARATOR}${wrong.hint}`;

/** Takes apart what a field's error carries; null for a message of zod's own. */
export const decodeWrong = (text: string): Wrong | null => {
  const [message, hint] = text.split(SEPARATOR);
  return message === undefined || hint === undefined ? null : { message, hint };
};

/** What the value should have been, as it stands in hints. */
const mistyped = (value: unknown, hint: string): string => {
  if (value === undefined) return encode({ message: 'is missing', hint });
  if (value === null) return encode({ message: 'has no value', hint });
  return encode({ message: `${quote(value)} is of the wrong type`, hint });
};

interface Form {
  /** For the reference: what is written there. JSON Schema's `$comment`, which validators ignore. */
  readonly form: string;
  /** For errors: `write …`. */
  readonly hint: string;
  /** For editors; the parser decides. */
  readonly pattern?: string;
}

type OnMistyped = (value: unknown, hint: string) => string;

/** A text that is read by `parse`, which says why where it cannot. */
const textField = <T>(form: Form, parse: (text: string) => Parsed<T>, onMistyped: OnMistyped = mistyped) =>
  z
    .string({ error: (issue) => onMistyped(issue.input, form.hint) })
    .transform((text, context): T => {
      const result = parse(text);
      if (result.ok) return result.value;
      context.addIssue({ code: 'custom', message: encode(result) });
      return z.NEVER;
    })
    .meta({ $comment: form.form, ...(form.pattern === undefined ? {} : { pattern: form.pattern }) });

/** A duration within bounds, both included; in milliseconds once read. */
export const duration = (minMs: number, maxMs: number) => {
  const form = durationForm(minMs, maxMs);
  return textField(form, durationWithin(minMs, maxMs, form.hint), mistypedDuration);
};

/** A duration within bounds, or a word that stands for having none. */
export const durationOr = <const W extends string>(word: W, minMs: number, maxMs: number) => {
  const { form, hint, pattern } = durationForm(minMs, maxMs);
  const parse = durationWithin(minMs, maxMs, hint);
  return textField<Millis | W>(
    { form: `${form}, or ${word}`, hint: `${hint}, or ${word}`, pattern: `${pattern}|^${word}$` },
    (text) => (text === word ? parsed(word) : parse(text)),
    mistypedDuration,
  );
};

const durationForm = (minMs: number, maxMs: number) => {
  const range = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
  return { form: `duration, ${range}`, hint: `write a duration from ${range}`, pattern: DURATION_PATTERN };
};

const durationWithin =
  (minMs: number, maxMs: number, hint: string) =>
  (text: string): Parsed<Millis> => {
    const result = parseDuration(text);
    if (!result.ok || (result.value >= minMs && result.value <= maxMs)) return result;
    return refused(`${quote(text)} is out of range`, hint);
  };

const mistypedDuration: OnMistyped = (value, hint) => {
  const result = parseDuration(value);
  return typeof value === 'number' && !result.ok ? encode(result) : mistyped(value, hint);
};

/** A whole number within bounds, both included. */
export const integer = (min: number, max: number) => {
  const hint = `write a whole number from ${min} to ${max}`;
  const outOfRange = (value: unknown): string => encode({ message: `${quote(value)} is out of range`, hint });
  return z
    .int({ error: (issue) => (issue.code === 'invalid_type' ? mistyped(issue.input, hint) : outOfRange(issue.input)) })
    .min(min, { error: (issue) => outOfRange(issue.input) })
    .max(max, { error: (issue) => outOfRange(issue.input) })
    .meta({ $comment: `whole number, ${min} to ${max}` });
};

export const port = () => integer(1, 65_535);

/** YAML 1.2 knows only these two words; `yes` and `on` are texts. */
export const yesOrNo = () =>
  z.boolean({ error: (issue) => mistyped(issue.input, 'write true or false') }).meta({ $comment: 'true or false' });

/** One of a few words. */
export const oneOf = <const T extends readonly [string, ...string[]]>(words: T) => {
  const hint = `write one of: ${words.join(', ')}`;
  return z
    .enum(words, {
      error: (issue) =>
        typeof issue.input === 'string'
          ? encode({ message: `${quote(issue.input)} is not known here`, hint })
          : mistyped(issue.input, hint),
    })
    .meta({ $comment: words.join(', ') });
};

/** A name that frames, logs and file names can carry. */
export const name = (what: string, maxLength = 63) => {
  const pattern = `^[A-Za-z0-9][A-Za-z0-9._-]{0,${maxLength - 1}}$`;
  const hint = `write at most ${maxLength} letters, digits, dots, hyphens or underscores, a letter or digit first`;
  const expression = new RegExp(pattern);
  return textField({ form: `name of a ${what}`, hint, pattern }, (text) =>
    expression.test(text) ? parsed(text) : refused(`${quote(text)} cannot be the name of a ${what}`, hint),
  );
};

/** Path of a file or directory, from the root. */
export const absolutePath = (maxBytes = 4_095) => {
  const hint = 'write the path from the root, such as /etc/vipd/key';
  return textField({ form: 'absolute path', hint, pattern: '^/' }, (text) => {
    if (!text.startsWith('/')) return refused(`${quote(text)} is not an absolute path`, hint);
    if (text.includes('\0')) return refused('the path has a NUL byte in it', hint);
    if (text.split('/').includes('..')) return refused(`${quote(text)} has .. in it`, 'write the path it leads to');
    const bytes = Buffer.byteLength(text);
    if (bytes > maxBytes) return refused(`the path has ${bytes} bytes`, `write at most ${maxBytes} bytes`);
    return parsed(text);
  });
};

/** Longest path of a unix socket: sun_path has 108 bytes with its final NUL (unix(7)). */
export const socketPath = () => absolutePath(107);

export const address = () =>
  textField({ form: 'IPv4 or IPv6 address', hint: 'write an address such as 10.99.0.1 or fd00::1' }, parseAddress);

export const addressWithPrefix = () =>
  textField(
    { form: 'address/prefix length', hint: 'write an address with its prefix length, such as 10.99.0.100/24' },
    parseAddressWithPrefix,
  );

export const endpoint = (defaultPort: number | null) =>
  textField(
    {
      form: defaultPort === null ? 'address:port' : `address or address:port, port ${defaultPort} unless given`,
      hint: defaultPort === null ? 'write 127.0.0.1:8694' : 'write an address such as 10.99.0.3',
    },
    (text) => parseEndpoint(text, defaultPort),
  );

export const interfaceName = () =>
  textField({ form: 'interface', hint: "write the interface's name, such as eth0" }, parseInterfaceName);

/** Account or group of the system, by the rule of useradd(8). */
export const account = (what: 'user' | 'group') => {
  const hint = `write the name of a ${what}, not its number`;
  return textField({ form: `name of a system ${what}`, hint, pattern: '^[a-z_][a-z0-9_-]{0,30}\\$?$' }, (text) =>
    /^[a-z_][a-z0-9_-]{0,30}\$?$/i.test(text) ? parsed(text) : refused(`${quote(text)} is no name of a ${what}`, hint),
  );
};

/** A program and its arguments; started without a shell. */
export const command = () => {
  const hint = 'write a list: [/etc/vipd/checks/disk, /var/lib/mysql]; no shell reads it';
  return list(
    textField({ form: 'text', hint: 'put numbers in quotes' }, (text) =>
      text.includes('\0') ? refused('the argument has a NUL byte in it', 'write a text without it') : parsed(text),
    ),
    { min: 1, max: 64, hint },
  ).transform((words, context): readonly [string, ...string[]] => {
    const [program = '', ...args] = words;
    if (program.startsWith('/')) return [program, ...args];
    const message = `the program ${quote(program)} is not an absolute path`;
    context.addIssue({ code: 'custom', message: encode({ message, hint: 'write where it is, from the root' }) });
    return z.NEVER;
  });
};

/** A list with bounds on its length. */
export const list = <T extends z.ZodType>(item: T, bounds: { min: number; max: number; hint: string }) => {
  const { min, max, hint } = bounds;
  const count = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
  return z
    .array(item, { error: (issue) => mistyped(issue.input, hint) })
    .min(min, { error: (issue) => encode({ message: tooFew(count(issue.input), min), hint }) })
    .max(max, {
      error: (issue) => encode({ message: `has ${count(issue.input)} entries, more than ${max}`, hint }),
    });
};

const tooFew = (count: number, min: number): string =>
  count === 0 ? 'is an empty list' : `has ${count} of at least ${min} entries`;

/** A mapping with known keys only; explain.ts names the unknown ones. */
export const section = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'invalid_type'
        ? mistyped(issue.input, `write a mapping with the keys ${Object.keys(shape).join(', ')}`)
        : undefined,
  });

/** A mapping whose keys are names of the operator's choice. */
export const named = <K extends z.core.$ZodRecordKey, V extends z.ZodType>(key: K, value: V, hint: string) =>
  z.record(key, value, { error: (issue) => (issue.code === 'invalid_type' ? mistyped(issue.input, hint) : undefined) });
