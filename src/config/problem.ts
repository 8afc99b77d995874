/** What can be wrong with a configuration, and how it is told to the operator. */

/** Where a value sits in the file: names of keys and indices of lists, from the top. */
export type Path = readonly (string | number)[];

/** What a rule found wrong, before it is known on which line. */
export interface Problem {
  readonly path: Path;
  /** Whether the key's name or its value is to blame; decides which of the two is pointed at. */
  readonly at: 'key' | 'value';
  /** What is wrong, as the rest of a sentence that begins with the key. */
  readonly message: string;
  /** What would be right, as something the operator can do or write. */
  readonly hint: string;
}

/** A problem with its place. */
export interface ConfigError {
  readonly file: string;
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number;
  /** From 1, in characters; 0 where the file as a whole is meant. */
  readonly column: number;
  /** `heartbeat.interval`, `vip[0].address`; empty where no key is meant. */
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** What went wrong with one value, said by whoever parsed it. */
export interface Wrong {
  readonly message: string;
  readonly hint: string;
}

/** The outcome of reading one value. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & Wrong);

export const parsed = <T>(value: T): Parsed<T> => ({ ok: true, value });
export const refused = (message: string, hint: string): { readonly ok: false } & Wrong => ({
  ok: false,
  message,
  hint,
});

/** A problem with the value at `path`. */
export const wrongAt = (path: Path, message: string, hint: string): Problem => ({ path, at: 'value', message, hint });

/** More of a value than this says nothing to a reader and floods the journal. */
const MAX_QUOTED_CHARACTERS = 60;

/** A value as the operator wrote it, short and on one line. */
export const quote = (value: unknown): string => {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = JSON.stringify(value);
  return text.length <= MAX_QUOTED_CHARACTERS ? text : `${text.slice(0, MAX_QUOTED_CHARACTERS)}…"`;
};

/** `['vip', 0, 'address']` as `vip[0].address`. */
export const renderPath = (path: Path): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');

/** One line for each error: `vipd.yaml:12:5: heartbeat.interval: "100" has no unit; write 100ms`. */
export const renderErrors = (errors: readonly ConfigError[]): string => errors.map(renderError).join('\n');

const renderError = (error: ConfigError): string => {
  const place = error.line === 0 ? error.file : `${error.file}:${error.line}:${error.column}`;
  const subject = error.key === '' ? '' : `${error.key}: `;
  return `${place}: ${subject}${error.message}; ${error.hint}`;
};
