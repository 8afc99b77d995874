import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { vipdJsonSchema, witnessJsonSchema } from './json-schema.js';
import { keyReferences, replaceTable } from './reference.js';
import { generate } from './write-schema.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('what is generated from the schema', () => {
  test.each(generate(read('docs/configuration.md')))(
    '$path is current; else: npm run build && node dist/src/config/write-schema.js',
    ({ path, text }) => {
      expect(read(path)).toBe(text);
    },
  );

  test('describes every key', () => {
    const keys = [...keyReferences(vipdJsonSchema()), ...keyReferences(witnessJsonSchema())];
    expect(keys.filter(({ meaning }) => !meaning.endsWith('.')).map(({ key }) => key)).toEqual([]);
    expect(keys.length).toBeGreaterThan(60);
  });

  test('is not put into a page without a place for it', () => {
    expect(() => replaceTable('# Configuration\n', 'vipd.yaml', '| table |')).toThrow(
      'has no place for the table vipd.yaml',
    );
  });
});
