/** Writes schema/*.schema.json and the tables of docs/configuration.md anew: `node dist/src/config/write-schema.js [ROOT]`. */

import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderJsonSchema, vipdJsonSchema, witnessJsonSchema } from './json-schema.js';
import { keyReferences, renderTable, replaceTable } from './reference.js';

export interface GeneratedFile {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
}

/** What the files should contain. `page` is docs/configuration.md as it is, of which the tables are replaced. */
export const generate = (page: string): readonly GeneratedFile[] => {
  const agent = vipdJsonSchema();
  const witness = witnessJsonSchema();
  const withAgent = replaceTable(page, 'vipd.yaml', renderTable(keyReferences(agent)));
  return [
    { path: 'schema/vipd.schema.json', text: renderJsonSchema(agent) },
    { path: 'schema/witness.schema.json', text: renderJsonSchema(witness) },
    {
      path: 'docs/configuration.md',
      text: replaceTable(withAgent, 'witness.yaml', renderTable(keyReferences(witness))),
    },
  ];
};

const writeAll = (root: string): void => {
  mkdirSync(join(root, 'schema'), { recursive: true });
  for (const { path, text } of generate(readFileSync(join(root, 'docs/configuration.md'), 'utf8'))) {
    writeFileSync(join(root, path), text);
    process.stdout.write(`${path}\n`);
  }
};

const [, script, root = '.'] = process.argv;
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) writeAll(root);
