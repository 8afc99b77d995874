import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLANTED, plant } from './planted.js';
import { findIn } from './search.js';

// The rest, with 20,000 runs for each, by `scripts/sim --faults`.
const RUNS = 1_000;
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
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('faults planted in the core', () => {
  it('are at least 15', () => expect(PLANTED.length).toBeGreaterThanOrEqual(15));

  it('all still fit the core', async () => {
    for (const fault of PLANTED) expect(await plant(fault, join(directory, 'src/core'))).toBeDefined();
  }, 60_000);

  for (const fault of PLANTED.filter(({ rare }) => rare !== true)) {
    it(`is found: ${fault.name}`, async () => {
      const core = await plant(fault, join(directory, 'src/core'));
      const options = { core, ...(fault.guardFault ? { guardFault: fault.guardFault } : {}) };
      expect(Array.from({ length: RUNS }, (_, i) => i + 1).some((seed) => findIn(seed, options) !== null)).toBe(true);
    }, 60_000);
  }
});
