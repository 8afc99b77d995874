/** Reads, checks and completes a configuration file; tells every error in it, each with its line. */

import { hostname } from 'node:os';
import { z } from 'zod';
import { buildConfig, buildWitnessConfig } from './build.js';
import { explain } from './explain.js';
import {
  checkLogin,
  checkProgram,
  checkRootProgram,
  type FileSystem,
  readKeys,
  readProtected,
  realFiles,
} from './files.js';
import { type ConfigError, type Problem, renderPath } from './problem.js';
import { checkAddresses } from './rules-addresses.js';
import { checkMembers } from './rules-members.js';
import { checkPorts } from './rules-ports.js';
import { checkGroups } from './rules-witness.js';
import { type VipdFile, vipdSchema, vipdShape } from './schema.js';
import { readSource, type Source } from './source.js';
import { checkTimings } from './timing.js';
import type { VipdConfig, WitnessConfig } from './types.js';
import { stateWarnings, warnings } from './warnings.js';
import { witnessSchema, witnessShape } from './witness-schema.js';

export interface LoadOptions extends Partial<FileSystem> {
  /** Name of this node where the file names none; the host's unless given. */
  readonly hostName?: string;
}

export type LoadResult<T> =
  | { readonly ok: true; readonly config: T; readonly warnings: readonly ConfigError[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** The configuration of an agent. Never throws: whatever cannot be used is an error with its place in the file. */
export const loadConfig = (path: string, options: LoadOptions = {}): LoadResult<VipdConfig> => {
  const files: FileSystem = { ...realFiles(), ...options };
  const read = readFile(path, files);
  return read.ok ? loadVipd(path, read.source, files, options.hostName ?? hostname()) : read;
};

/** The configuration of a witness. Never throws. */
export const loadWitnessConfig = (path: string, options: LoadOptions = {}): LoadResult<WitnessConfig> => {
  const files: FileSystem = { ...realFiles(), ...options };
  const read = readFile(path, files);
  return read.ok ? loadWitness(path, read.source, files) : read;
};

export type AnyConfig =
  | { readonly kind: 'agent'; readonly result: LoadResult<VipdConfig> }
  | { readonly kind: 'witness'; readonly result: LoadResult<WitnessConfig> };

/** Either of the two files, told apart by `groups`, which only a witness has. */
export const loadEither = (path: string, options: LoadOptions = {}): AnyConfig => {
  const files: FileSystem = { ...realFiles(), ...options };
  const read = readFile(path, files);
  if (!read.ok) return { kind: 'agent', result: read };
  if (read.source.has(['groups'])) return { kind: 'witness', result: loadWitness(path, read.source, files) };
  return { kind: 'agent', result: loadVipd(path, read.source, files, options.hostName ?? hostname()) };
};

type ReadResult =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

const readFile = (file: string, files: FileSystem): ReadResult => {
  const bytes = readProtected(files, file, 'not-writable');
  if (!bytes.ok) {
    const { message, hint } = bytes;
    return {
      ok: false,
      errors: [{ file, line: 0, column: 0, key: '', message: message.replace(`${file} `, ''), hint }],
    };
  }
  const result = readSource(bytes.value);
  return result.ok ? result : { ok: false, errors: result.errors.map((error) => ({ file, key: '', ...error })) };
};

const loadVipd = (path: string, source: Source, files: FileSystem, hostName: string): LoadResult<VipdConfig> => {
  const { file, sections, problems } = checkAgainst(vipdSchema, vipdShape, source);
  const self = sections.node ?? hostName;
  const { keys, problems: keyProblems } = readKeys(files, ['key_file'], sections.key_file ?? []);
  const all = [
    ...problems,
    ...checkMembers(sections, hostName),
    ...checkAddresses(sections, self),
    ...checkPorts(sections),
    ...checkTimings(sections),
    ...keyProblems,
    ...checkNamedFiles(sections, files),
  ];
  if (file === null || all.length > 0) return { ok: false, errors: place(path, source, all) };
  return { ok: true, config: buildConfig(file, self, keys), warnings: place(path, source, warnings(file)) };
};

const loadWitness = (path: string, source: Source, files: FileSystem): LoadResult<WitnessConfig> => {
  const { file, sections, problems } = checkAgainst(witnessSchema, witnessShape, source);
  const keys = (sections.groups ?? []).map((group, index) =>
    readKeys(files, ['groups', index, 'key_file'], group.key_file),
  );
  const all = [...problems, ...checkGroups(sections), ...keys.flatMap((group) => group.problems)];
  if (file === null || all.length > 0) return { ok: false, errors: place(path, source, all) };
  const config = buildWitnessConfig(
    file,
    keys.map((group) => group.keys),
  );
  return { ok: true, config, warnings: place(path, source, stateWarnings(file.state_directory)) };
};

const checkNamedFiles = (
  { mysql, checks, fence, rejoin }: Partial<VipdFile>,
  files: FileSystem,
): readonly Problem[] => [
  ...(mysql === undefined ? [] : checkLogin(files, ['mysql', 'defaults_file'], mysql.defaults_file)),
  ...(checks ?? []).flatMap(({ command }, index) => checkProgram(files, ['checks', index, 'command'], command[0])),
  ...(fence === undefined ? [] : checkProgram(files, ['fence', 'command'], fence.command[0])),
  ...(['stop', 'start'] as const).flatMap((key) => {
    const command = rejoin?.[key];
    return command === undefined ? [] : checkRootProgram(files, ['rejoin', key], command[0]);
  }),
];

interface Checked<S extends z.ZodRawShape> {
  /** null where anything in it is wrong. */
  readonly file: z.output<z.ZodObject<S>> | null;
  /** The sections in which nothing is wrong, so that one error does not hide those found by comparing others. */
  readonly sections: Partial<z.output<z.ZodObject<S>>>;
  readonly problems: readonly Problem[];
}

const checkAgainst = <const S extends z.ZodRawShape>(
  schema: z.ZodObject<S, z.core.$strict>,
  shape: S,
  source: Source,
): Checked<S> => {
  const whole = schema.safeParse(source.value);
  if (whole.success) return { file: whole.data, sections: whole.data, problems: [] };
  const sections = Object.entries(shape).flatMap(([key, section]) => {
    const result = z.safeParse(section, valueAt(source.value, key));
    return result.success ? [[key, result.data] as const] : [];
  });
  return {
    file: null,
    // Each entry comes from the shape's own section of that name.
    sections: Object.fromEntries(sections) as Partial<z.output<z.ZodObject<S>>>,
    problems: explain(whole.error.issues, schema),
  };
};

const valueAt = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;

/** Finds each problem's line, and sorts by it. */
const place = (file: string, source: Source, problems: readonly Problem[]): readonly ConfigError[] =>
  problems
    .map(({ path, at, message, hint }) => ({
      file,
      ...source.locate(path, at),
      key: renderPath(path),
      message,
      hint,
    }))
    .sort((a, b) => a.line - b.line || a.column - b.column);
