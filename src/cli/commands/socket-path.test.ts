/** Where vipctl looks for the agent when the configuration no longer says where it listens. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findSocket } from './socket-path.js';

let directory: string;
let usual: { config: string; socket: string };
let named: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vipctl-socket-'));
  usual = { config: join(directory, 'vipd.yaml'), socket: join(directory, 'usual.sock') };
  named = join(directory, 'new.sock');
  writeFileSync(usual.config, `control: { socket: ${named} }\n`);
});
afterEach(() => rmSync(directory, { recursive: true }));

test('an agent that has not been started since control.socket was changed is found at the usual place', () => {
  writeFileSync(usual.socket, '');
  expect(findSocket(undefined, undefined, usual)).toEqual({
    ok: true,
    path: usual.socket,
    note: `there is no socket ${named}, as the configuration says; asking at ${usual.socket}`,
  });
  expect(findSocket(undefined, usual.config, usual)).toMatchObject({ path: usual.socket });
});

test('the socket of the configuration goes before, and is named where there is none at all', () => {
  expect(findSocket(undefined, undefined, usual)).toEqual({ ok: true, path: named });
  writeFileSync(usual.socket, '');
  writeFileSync(named, '');
  expect(findSocket(undefined, undefined, usual)).toEqual({ ok: true, path: named });
});

test("another file's agent is not looked for at the usual place, which may be another group's", () => {
  writeFileSync(usual.socket, '');
  const other = join(directory, 'other.yaml');
  writeFileSync(other, `control: { socket: ${named} }\n`);
  expect(findSocket(undefined, other, usual)).toEqual({ ok: true, path: named });
});
