/** What tests on booted machines need before they enter the sandbox, which has no network: the root directory and the packages. */

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../lab/programs.js';
import { insideSandbox, startInSandbox } from '../lab/sandbox.js';

/** The first run fetches a Debian; the boots and moves of a whole file come on top. */
const WHOLE_FILE_MS = 1_800_000;
/** A version that is newer than the one in package.json, for upgrades. */
const NEWER = '99.0';

const BASE = 'VIPD_SERVICE_BASE';
const PACKAGES = 'VIPD_SERVICE_PACKAGES';

export interface Ground {
  /** A Debian with systemd and Node. */
  readonly base: string;
  /** Paths of the packages of this checkout: as they are, and the same as a newer version. */
  readonly packages: Readonly<Record<'vipd' | 'newerVipd' | 'witness' | 'newerWitness', string>>;
}

/** Why no machine can boot here; null: it can. */
const obstacle = (): string | null => {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const program of ['systemd-nspawn', 'debootstrap', 'dpkg-deb']) {
    if (spawnSync('which', [program]).status !== 0) return `there is no ${program}; scripts/test lab installs it`;
  }
  const mounts = 'mount -t cgroup2 cgroup2 /mnt && cd /mnt && mkdir vipd-lab-try && rmdir vipd-lab-try';
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', mounts], { encoding: 'utf8' });
  return tried.status === 0 ? null : `no cgroup can be made: ${tried.stderr.trim()}`;
};

/** What the machines' root directory holds before anything is installed there; see scripts/machine-root. */
type RootKind = 'installed' | 'bare';

/** For a lab test file: outside, defines one test that runs the file inside; inside, `define` the real ones. */
export const onMachines = (file: string, kind: RootKind, define: (ground: Ground) => void): void => {
  if (insideSandbox()) {
    define(ground());
    return;
  }
  const why = obstacle();
  const name = `passes on booted machines (its tests are told above)${why === null ? '' : `: skipped: ${why}`}`;
  test.skipIf(why !== null)(name, { timeout: WHOLE_FILE_MS }, async () => {
    const packages = mkdtempSync(join(tmpdir(), 'vipd-packages-'));
    try {
      process.env[BASE] = execFileSync(join(ROOT, 'scripts/machine-root'), [kind], { encoding: 'utf8' }).trim();
      process.env[PACKAGES] = packages;
      makePackages(packages);
      const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
      // It takes minutes: each test is told as it ends.
      const options = ['--root', ROOT, '--project', 'lab', '--reporter', 'verbose'];
      const child = startInSandbox([process.execPath, vitest, 'run', ...options, file]);
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
    } finally {
      rmSync(packages, { recursive: true });
    }
  });
};

const makePackages = (directory: string): void => {
  const arch = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
  const options = ['--arch', arch, '--output', directory];
  const make = join(ROOT, 'scripts/package');
  execFileSync(make, options, { stdio: 'inherit' });
  execFileSync(make, [...options, '--version', NEWER], { stdio: 'inherit' });
};

const ground = (): Ground => {
  const { [BASE]: base = '', [PACKAGES]: directory = '' } = process.env;
  const files = readdirSync(directory).filter((name) => name.endsWith('.deb'));
  const find = (name: string, newer: boolean): string => {
    const found = files.find((file) => file.startsWith(`${name}_`) && file.startsWith(`${name}_${NEWER}_`) === newer);
    if (found === undefined) throw new Error(`scripts/package made no ${name} in ${directory}`);
    return join(directory, found);
  };
  return {
    base,
    packages: {
      vipd: find('vipd', false),
      newerVipd: find('vipd', true),
      witness: find('vipd-witness', false),
      newerWitness: find('vipd-witness', true),
    },
  };
};
