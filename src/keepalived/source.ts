/** What reading a keepalived.conf works with: places, lines, directives, and what can be wrong with them. */

/** Where something stands. `file` is a path as the operator would type it. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** A line that says something: without its comment, condition and definitions. */
export interface Line {
  readonly place: Place;
  readonly text: string;
}

/** A keyword with its values, or an entry of a list such as virtual_ipaddress; with the block behind it, if it has one. */
export interface Directive {
  readonly place: Place;
  /** At least one; without quotes. */
  readonly words: readonly [string, ...string[]];
  /** Null: no block. */
  readonly children: readonly Directive[] | null;
}

/** Why a file cannot be imported. */
export interface ImportError extends Place {
  /** What is wrong there. */
  readonly message: string;
  /** What would be right. */
  readonly hint: string;
}

/** Thrown where reading on would only lead to errors that follow from this one. */
export class UnreadableError extends Error {
  constructor(readonly error: ImportError) {
    super(error.message);
  }
}

/** Ends the reading. */
export const refuse = (place: Place, message: string, hint: string): never => {
  throw new UnreadableError({ ...place, message, hint });
};

/** What is asked of the file system; tests put their own in its place. */
export interface SourceFiles {
  /** Throws what node:fs throws. */
  readonly read: (path: string) => string;
  /** Names in a directory; throws what node:fs throws. */
  readonly list: (directory: string) => readonly string[];
}

/** `file:line: what; remedy`, one line for each. */
export const renderImportErrors = (errors: readonly ImportError[]): string =>
  errors
    .map(({ file, line, message, hint }) => `${line === 0 ? file : `${file}:${line}`}: ${message}; ${hint}`)
    .join('\n');
