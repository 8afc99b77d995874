/** The schemas as JSON Schema files, for editors and other tools. */

import { z } from 'zod';
import type { JsonSchema } from './explain.js';
import { vipdSchema } from './schema.js';
import { witnessSchema } from './witness-schema.js';

/** JSON Schema (draft 2020-12) of what an operator writes, so with defaults and before durations are read. */
const toJsonSchema = (title: string, schema: z.ZodType): JsonSchema => {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return { ...($schema === undefined ? {} : { $schema }), title, ...rest };
};

export const vipdJsonSchema = (): JsonSchema => toJsonSchema('vipd.yaml', vipdSchema);
export const witnessJsonSchema = (): JsonSchema => toJsonSchema('witness.yaml', witnessSchema);

export const renderJsonSchema = (schema: JsonSchema): string => `${JSON.stringify(schema, null, 2)}\n`;
