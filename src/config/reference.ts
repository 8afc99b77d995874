/** The reference of every key, made from the JSON Schema: for docs/configuration.md and the manual page. */

import type { JsonSchema } from './explain.js';

export interface KeyReference {
  /** `nodes.NAME.address`, `vip[].interface`. */
  readonly key: string;
  /** What is written there: `duration, 10ms to 10s`. */
  readonly form: string;
  /** As it would be written; null: must be given, or is off unless given (`required` tells which). */
  readonly default: string | null;
  readonly required: boolean;
  readonly meaning: string;
}

/** All keys in the order of the schema, a section before what is in it. */
export const keyReferences = (schema: JsonSchema, prefix = ''): readonly KeyReference[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    if (typeof inner === 'boolean') return [];
    const key = `${prefix}${name}`;
    return [describeKey(key, inner, schema.required?.includes(name) ?? false), ...keysWithin(key, inner)];
  });

const keysWithin = (key: string, schema: JsonSchema): readonly KeyReference[] => {
  const { items, additionalProperties } = schema;
  if (typeof items === 'object' && !Array.isArray(items)) return keyReferences(items, `${key}[].`);
  if (typeof additionalProperties === 'object') return keyReferences(additionalProperties, `${key}.NAME.`);
  return keyReferences(schema, `${key}.`);
};

const describeKey = (key: string, schema: JsonSchema, required: boolean): KeyReference => ({
  key,
  form: formOf(schema),
  default: defaultOf(schema.default),
  required,
  meaning: schema.description ?? '',
});

const formOf = (schema: JsonSchema): string => {
  if (schema.$comment !== undefined) return schema.$comment;
  if (schema.type === 'array') {
    const item = typeof schema.items === 'object' && !Array.isArray(schema.items) ? formOf(schema.items) : 'values';
    const counts =
      schema.minItems === schema.maxItems ? `${schema.maxItems}` : `${schema.minItems} to ${schema.maxItems}`;
    return `list of ${counts}: ${item}`;
  }
  if (typeof schema.additionalProperties === 'object') return `by name: ${formOf(schema.additionalProperties)}`;
  return 'section';
};

const defaultOf = (value: unknown): string | null => {
  if (value === undefined) return null;
  if (Array.isArray(value) && value.length === 0) return 'none';
  // A section's own default is that of each of its keys.
  return typeof value === 'object' ? '' : String(value);
};

/** A Markdown table of all keys. */
export const renderTable = (keys: readonly KeyReference[]): string => {
  const rows = keys.map(
    (key) => `| \`${key.key}\` | ${escapeBars(key.form)} | ${defaultCell(key)} | ${escapeBars(key.meaning)} |`,
  );
  return ['| key | what | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
};

const defaultCell = ({ default: value, required, form }: KeyReference): string => {
  if (required) return '*required*';
  if (value === null) return '';
  return value === '' || value === 'none' || form === 'section' ? value : `\`${value}\``;
};

/** A bar would end the cell. */
const escapeBars = (text: string): string => text.replaceAll('|', '\\|');

const BEGIN = (name: string): string => `<!-- begin ${name}: made by src/config/write-schema.ts -->`;
const END = (name: string): string => `<!-- end ${name} -->`;

/** The page with its table of that name renewed. Throws an Error where the page lacks the two marks. */
export const replaceTable = (page: string, name: string, table: string): string => {
  const begin = page.indexOf(BEGIN(name));
  const end = page.indexOf(END(name));
  if (begin === -1 || end < begin) {
    throw new Error(`the page has no place for the table ${name}; put "${BEGIN(name)}" and "${END(name)}" into it`);
  }
  return `${page.slice(0, begin)}${BEGIN(name)}\n${table}\n${page.slice(end)}`;
};
