/** Turns zod's findings into problems that say what would be right. */

import { z } from 'zod';
import { decodeWrong } from './fields.js';
import { nearest } from './nearest.js';
import { type Path, type Problem, quote, renderPath, wrongAt } from './problem.js';

type Issue = z.core.$ZodIssue;

/** The part of JSON Schema that is needed to know which keys there are. */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** All problems of one check of a file against its schema, in the order found. */
export const explain = (issues: readonly Issue[], schema: z.ZodType): readonly Problem[] => {
  // Made only when there is something to explain: it costs more than reading a sound file.
  const jsonSchema = z.toJSONSchema(schema, { io: 'input' });
  return withoutConsequences(issues).flatMap((issue) => explainOne(issue, [], jsonSchema));
};

/** Zod counts the characters of a text that stands where a list should, and finds them too many as well. */
const withoutConsequences = (issues: readonly Issue[]): readonly Issue[] => {
  const mistyped = new Set(issues.filter(({ code }) => code === 'invalid_type').map(({ path }) => path.join('\0')));
  return issues.filter(({ code, path }) => code === 'invalid_type' || !mistyped.has(path.join('\0')));
};

const explainOne = (issue: Issue, base: Path, schema: JsonSchema): readonly Problem[] => {
  const path = [...base, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key, schema));
    case 'invalid_key':
      return issue.issues
        .flatMap((inner) => explainOne(inner, path, schema))
        .map((problem) => ({ ...problem, path, at: 'key' }));
    case 'invalid_union':
      return explainUnion(issue.errors, path, schema);
    default: {
      const wrong = decodeWrong(issue.message);
      return [wrongAt(path, wrong?.message ?? issue.message, wrong?.hint ?? 'see docs/configuration.md')];
    }
  }
};

/** The branch that took the value's type and found fault with its content says more than those that did not. */
const explainUnion = (branches: readonly Issue[][], path: Path, schema: JsonSchema): readonly Problem[] => {
  const mistyped = (issues: readonly Issue[]): boolean =>
    issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0);
  const branch = branches.find((issues) => !mistyped(issues)) ?? branches[0] ?? [];
  return branch.flatMap((issue) => explainOne(issue, path, schema));
};

const unknownKey = (path: Path, key: string, schema: JsonSchema): Problem => {
  const known = keysAt(schema, path);
  const meant = nearest(key, known);
  const elsewhere = meant === null ? sectionsWith(schema, key) : [];
  const hint =
    meant !== null
      ? `did you mean ${meant}?`
      : elsewhere.length > 0
        ? `it belongs under ${elsewhere.join(' or ')}`
        : `known here: ${known.join(', ')}`;
  return { path: [...path, key], at: 'key', message: `${quote(key)} is not a known key`, hint };
};

const keysAt = (schema: JsonSchema, path: Path): readonly string[] =>
  Object.keys(path.reduce<JsonSchema>((inner, part) => child(inner, part), schema).properties ?? {});

const child = (schema: JsonSchema, part: string | number): JsonSchema => {
  if (typeof part === 'number') return asSchema(Array.isArray(schema.items) ? schema.items[part] : schema.items);
  const own = Object.hasOwn(schema.properties ?? {}, part) ? schema.properties?.[part] : undefined;
  return asSchema(own ?? schema.additionalProperties);
};

const asSchema = (schema: JsonSchema | boolean | undefined): JsonSchema => (typeof schema === 'object' ? schema : {});

/** `heartbeat`, `mysql.check`: where the key is known, for one that stands in the wrong section. */
const sectionsWith = (schema: JsonSchema, key: string, path: Path = []): readonly string[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const section = asSchema(inner);
    const here = [...path, name];
    const own = Object.hasOwn(section.properties ?? {}, key) ? [renderPath(here)] : [];
    return [...own, ...sectionsWith(section, key, here)];
  });
