/** `vipctl import` as it is typed: what it prints, writes and refuses. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runVipctl } from './program.js';
import type { Terminal } from './terminal.js';

const CONF = `vrrp_instance orders {
  interface eth0
  unicast_src_ip 10.99.0.1
  virtual_ipaddress {
    10.99.0.100/24
  }
}
`;

let directory = '';
let out = '';
let err = '';

const terminal: Terminal = {
  out(text) {
    out += text;
  },
  err(text) {
    err += text;
  },
  size: () => null,
  environment: {},
  onInterrupt: () => () => undefined,
};

const vipctl = (...argv: readonly string[]) =>
  runVipctl(['import', ...argv], { terminal, checkConfig: () => ({ text: '', status: 0 }) });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipctl-import-'));
  writeFileSync(join(directory, 'keepalived.conf'), CONF);
  out = '';
  err = '';
});

afterEach(() => rmSync(directory, { recursive: true }));

test('prints vipd.yaml, with what the options say', async () => {
  const file = join(directory, 'keepalived.conf');
  const options = ['--node', 'db1', '--peer', 'db2=10.99.0.2', '--witness', 'w1=10.99.0.3', '--gateway', '10.99.0.254'];
  expect(await vipctl(file, ...options)).toBe(0);
  expect(out).toContain('\nnodes:\n  db1: { address: 10.99.0.1 }\n  db2: { address: 10.99.0.2 }\n');
  expect(out).toContain('\nwitnesses:\n  - { name: w1, address: 10.99.0.3 }\ngateways: [10.99.0.254]\n');
  expect(err).toBe('');
});

test('writes a new file for root only, and none over an old one', async () => {
  const output = join(directory, 'vipd.yaml');
  expect(await vipctl(join(directory, 'keepalived.conf'), '--output', output)).toBe(0);
  expect(out).toBe(`${output} written; what is still to do stands at its top\n`);
  expect(statSync(output).mode & 0o777).toBe(0o600);
  writeFileSync(output, 'mine\n');
  expect(await vipctl(join(directory, 'keepalived.conf'), '--output', output)).toBe(1);
  expect(err).toBe(`vipctl: ${output} is there already; name another file, or move it away\n`);
  expect(readFileSync(output, 'utf8')).toBe('mine\n');
});

test('refuses a bad file with its line, and writes nothing', async () => {
  const file = join(directory, 'bad.conf');
  writeFileSync(file, 'vrrp_instance A {\n priority x\n}\n');
  expect(await vipctl(file, '-o', join(directory, 'none'))).toBe(4);
  expect(err).toBe(`${file}:2: priority "x" is no number from 1 to 255; write such a number\n`);
  expect(() => statSync(join(directory, 'none'))).toThrow('ENOENT');
});

test.each([[['--peer', 'db2=nowhere']], [['--witness', 'w1']], [['--gateway', '10.0.0.1/24']], [['--node', '-']]])(
  'refuses %j as usage',
  async (options) => {
    expect(await vipctl(join(directory, 'keepalived.conf'), ...options)).toBe(2);
    expect(err).toContain('error: option');
  },
);
