import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../lab/programs.js';

const VALIDATE_MS = 600_000;

/** A checkout of its own: validating makes secrets beside the Vagrantfile. */
let checkout = '';
beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'vipd-vagrant-'));
  cpSync(join(ROOT, 'Vagrantfile'), join(checkout, 'Vagrantfile'));
  cpSync(join(ROOT, 'scripts/provision'), join(checkout, 'scripts/provision'), { recursive: true });
});
afterAll(() => rmSync(checkout, { recursive: true }));

const validate = () => {
  const home = join(checkout, '.vagrant.d');
  mkdirSync(home, { recursive: true });
  const env = { ...process.env, HOME: checkout, VAGRANT_HOME: home, VAGRANT_CHECKPOINT_DISABLE: '1' };
  return spawnSync('vagrant', ['validate', '--ignore-provider'], { cwd: checkout, env, encoding: 'utf8' });
};

test.skipIf(spawnSync('vagrant', ['--version']).status !== 0)(
  'vagrant takes the Vagrantfile, and not one that names a script which is not there',
  () => {
    const taken = validate();
    expect(`${taken.stdout}${taken.stderr}`).toContain('Vagrantfile validated successfully');
    expect(taken.status).toBe(0);
    expect(existsSync(join(checkout, '.vagrant/vipd-secrets/key'))).toBe(true);
    rmSync(join(checkout, 'scripts/provision/client.sh'));
    expect(validate().status).not.toBe(0);
  },
  VALIDATE_MS,
);

test('each provision script is one that some machine of the Vagrantfile runs', () => {
  const vagrantfile = readFileSync(join(ROOT, 'Vagrantfile'), 'utf8');
  const named = [...vagrantfile.matchAll(/(?:script: '|scripts\/provision\/)(\w+\.sh)/g)].map(([, name]) => name);
  expect([...new Set(named)].toSorted()).toEqual(readdirSync(join(ROOT, 'scripts/provision')).toSorted());
});
