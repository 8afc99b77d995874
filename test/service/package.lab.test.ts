import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../lab/programs.js';

/** Two times every package, with npm's registry on the way. */
const PACKAGING_MS = 600_000;
/** ELF(5), e_machine: which processor a binary is for. */
const MACHINE_OFFSET = 18;
const MACHINES = { amd64: 62, arm64: 183 } as const;

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipd-package-'));
  for (const run of ['one', 'two']) make(run);
  for (const arch of ['amd64', 'arm64'] as const) execFileSync('dpkg-deb', ['-x', fileOf('vipd', arch), tree(arch)]);
}, PACKAGING_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const make = (run: string): void => {
  execFileSync(join(ROOT, 'scripts/package'), ['--output', join(directory, run)], { stdio: 'ignore' });
};

const made = (run: string): readonly string[] => readdirSync(join(directory, run)).sort();

const fileOf = (name: string, arch: string): string => {
  const found = made('one').find((file) => file.startsWith(`${name}_`) && file.endsWith(`_${arch}.deb`));
  if (found === undefined) throw new Error(`no package ${name} for ${arch}`);
  return join(directory, 'one', found);
};

const tree = (arch: string): string => join(directory, arch);

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

test('the same sources make the same bytes', () => {
  expect(made('one')).toHaveLength(4);
  const sums = (run: string): readonly string[] =>
    made(run).map((file) =>
      createHash('sha256')
        .update(readFileSync(join(directory, run, file)))
        .digest('hex'),
    );
  expect(sums('two')).toEqual(sums('one'));
});

test.skipIf(spawnSync('lintian', ['--version']).status !== 0)(
  'lintian has nothing to say',
  () => {
    const packages = made('one').filter((file) => file.endsWith('.deb'));
    const files = packages.map((file) => join(directory, 'one', file));
    const said = spawnSync('lintian', ['--allow-root', '--fail-on', 'error,warning', ...files], { encoding: 'utf8' });
    expect({ status: said.status, said: said.stdout }).toEqual({ status: 0, said: '' });
  },
  PACKAGING_MS,
);

test.each(['amd64', 'arm64'] as const)('the binaries of %s are for that machine', (arch) => {
  const binaries = filesBelow(tree(arch)).filter((file) => file.endsWith('.node'));
  expect(binaries).toHaveLength(2);
  for (const file of binaries) {
    expect(readFileSync(join(tree(arch), file)).readUInt16LE(MACHINE_OFFSET), file).toBe(MACHINES[arch]);
  }
});

test('what is left of the modules is enough for every part of the program', () => {
  const arch = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
  const lib = join(tree(arch), 'usr/lib/vipd');
  for (const part of ['agent', 'cleanup', 'witness', 'divergence', 'doctor', 'rejoin', 'replication-setup']) {
    const load = `await import(${JSON.stringify(join(lib, 'dist/run', `${part}.part.js`))})`;
    const loaded = spawnSync(process.execPath, ['--input-type=module', '-e', load], { encoding: 'utf8' });
    expect(loaded, part).toMatchObject({ status: 0, stderr: '' });
  }
  for (const name of ['vipd', 'vipctl']) {
    const asked = spawnSync(join(tree(arch), 'usr/bin', name), ['--version'], { encoding: 'utf8' });
    expect(asked, name).toMatchObject({ status: 0, stderr: '' });
  }
});

test('the npm package and the Debian package have the same program, and no tests', () => {
  const tarball = made('one').find((file) => file.endsWith('.tgz')) ?? '';
  const listed = execFileSync('tar', ['-tzf', join(directory, 'one', tarball)], { encoding: 'utf8' });
  const inNpm = listed.split('\n').flatMap((line) => (line.startsWith('package/dist/') ? [line.slice(8)] : []));
  const inDebian = filesBelow(join(tree('amd64'), 'usr/lib/vipd')).filter((file) => file.startsWith('dist/'));
  expect(inNpm.toSorted()).toEqual(inDebian);
  expect(inDebian.filter((file) => /\.test\.|\.fixture\.|\.map$/.test(file))).toEqual([]);
});
