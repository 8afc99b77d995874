/** Writes man/ and completions/ anew: `node dist/src/cli/manual/write-manual.js [ROOT]`. */

import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageVersion } from '../commands/version.js';
import { completeBash } from './complete-bash.js';
import { completeFish } from './complete-fish.js';
import { completeZsh } from './complete-zsh.js';
import { PAGES, renderPage, vipctlFacts, vipdFacts } from './pages.js';

export interface GeneratedFile {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
}

/** What the files should contain. `read` gives a file of the project by its path from the root. */
export const generateManual = (read: (path: string) => string): readonly GeneratedFile[] => [
  ...PAGES.map((page) => ({
    path: `man/${page.name}.${page.section}`,
    text: renderPage(page, packageVersion(), read),
  })),
  ...[vipdFacts(), vipctlFacts()].flatMap((program) => [
    { path: `completions/${program.name}.bash`, text: completeBash(program) },
    { path: `completions/_${program.name}`, text: completeZsh(program) },
    { path: `completions/${program.name}.fish`, text: completeFish(program) },
  ]),
];

const writeAll = (root: string): void => {
  for (const { path, text } of generateManual((path) => readFileSync(join(root, path), 'utf8'))) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    process.stdout.write(`${path}\n`);
  }
};

const [, script, root = '.'] = process.argv;
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) writeAll(root);
