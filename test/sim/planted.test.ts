import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plant } from './plant.js';
import { PLANTED } from './planted.js';
import { search } from './search.js';

/** Each fault must be found within so many. */
const RUNS = 20_000;
/** Whoever looks longer is told which seed finds it sooner. */
const SOON = 200;
const root = fileURLToPath(new URL('../..', import.meta.url));
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-core-'));
  const project = join(directory, 'tsconfig.json');
  const compilerOptions = { outDir: directory, rootDir: root, sourceMap: false, types: [] };
  const include = [join(root, 'src/core/*.ts')];
  const exclude = [join(root, 'src/core/*.test.ts')];
  writeFileSync(project, JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include, exclude }));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', project], { stdio: 'pipe' });
}, 300_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('faults planted in the core', () => {
  it('are at least 15', () => expect(PLANTED.length).toBeGreaterThanOrEqual(15));

  it('all still fit the core', async () => {
    for (const fault of PLANTED) expect(await plant(fault, join(directory, 'src/core'))).toBeDefined();
  });

  for (const fault of PLANTED) {
    // No limit of time: where its seed finds it no more, the search goes on.
    it(`is found: ${fault.name}`, async () => {
      const options = { seed: fault.from ?? 1, runs: RUNS, until: Number.POSITIVE_INFINITY };
      const found = await search(fault, join(directory, 'src/core'), options);
      expect(found).not.toBeNull();
      if (fault.by) expect(found?.violation).toBe(fault.by);
      if (found && found.run > SOON)
        console.warn(
          `${fault.name}: found in run ${found.run}; soon with "from: ${found.seed}" in test/sim/planted.ts`,
        );
    }, 0);
  }
});
