import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ConfigFixture, createConfigFixture, KEY_HEX } from './config.fixture.js';
import { loadConfig } from './load.js';
import { renderErrors } from './problem.js';

let fixture: ConfigFixture;
/** With `D` for the directory of the run. */
let complaints: () => string;

beforeEach(() => {
  fixture = createConfigFixture();
  fixture.write('vipd.yaml', fixture.agentYaml);
  complaints = () => {
    const result = loadConfig(fixture.path('vipd.yaml'));
    return result.ok ? 'valid' : renderErrors(result.errors).replaceAll(fixture.directory, 'D');
  };
});

afterEach(() => fixture.remove());

describe('file modes', () => {
  test.each([
    [
      'key',
      0o640,
      'D/vipd.yaml:8:11: key_file: D/key has mode 0640, open to others than its owner, but it holds a secret; run: chmod 600 D/key',
    ],
    [
      'mysql.cnf',
      0o644,
      'D/vipd.yaml:15:18: mysql.defaults_file: D/mysql.cnf has mode 0644, open to others than its owner, but it holds a secret; run: chmod 600 D/mysql.cnf',
    ],
    [
      'disk',
      0o775,
      'D/vipd.yaml:18:14: checks[0].command: D/disk has mode 0775, writable by others than its owner, but it runs with rights its writers may not have; run: chmod go-w D/disk',
    ],
    ['disk', 0o644, 'D/vipd.yaml:18:14: checks[0].command: D/disk is not executable (mode 0644); run: chmod +x D/disk'],
    [
      'vipd.yaml',
      0o666,
      'D/vipd.yaml: has mode 0666, writable by others than its owner, but it decides which programs run with the rights of the agent; run: chmod go-w D/vipd.yaml',
    ],
    ['key', 0o400, 'valid'],
    ['vipd.yaml', 0o644, 'valid'],
  ])('of %s: %o', (name, mode, message) => {
    chmodSync(fixture.path(name), mode);
    expect(complaints()).toBe(message);
  });

  test('a file of another account is refused', () => {
    const facts = { mode: 0o100_600, uid: 1_234, size: 65, isFile: () => true };
    const result = loadConfig(fixture.path('vipd.yaml'), { statFile: () => facts });
    expect(result.ok ? 'valid' : renderErrors(result.errors).replaceAll(fixture.directory, 'D')).toBe(
      'D/vipd.yaml: belongs to user id 1234, but it decides which programs run with the rights of the agent; run: chown root D/vipd.yaml',
    );
  });
});

test('secrets and programs of the agent may belong to the account for which they are checked; what root runs may not', () => {
  const daemon = 1_234;
  const statFile = (path: string) => ({
    mode: path.endsWith('vipd.yaml') ? 0o100_644 : 0o100_700,
    uid: path.endsWith('vipd.yaml') ? 0 : daemon,
    size: 65,
    isFile: () => true,
  });
  const complain = (): string => {
    const result = loadConfig(fixture.path('vipd.yaml'), { statFile, userId: 0, daemonAccounts: [daemon] });
    return result.ok ? 'valid' : renderErrors(result.errors).replaceAll(fixture.directory, 'D');
  };
  const disk = fixture.path('disk');
  fixture.write('vipd.yaml', `${fixture.agentYaml}fence: { command: [${disk}] }\n`);
  expect(complain()).toBe('valid');
  fixture.write('vipd.yaml', `${fixture.agentYaml}rejoin: { stop: [${disk}], start: [${disk}] }\n`);
  expect(complain()).toMatch(
    /^D\/vipd.yaml:20:\d+: rejoin.stop: D\/disk belongs to user id 1234, but root runs it, in `vipctl rejoin`; run: chown root D\/disk\n/,
  );
});

describe('a file that is not there, or cannot be read, is named:', () => {
  test.each([
    ['key', 'D/vipd.yaml:8:11: key_file: D/key does not exist; make it, or correct the path'],
    ['mysql.cnf', 'D/vipd.yaml:15:18: mysql.defaults_file: D/mysql.cnf does not exist; make it, or correct the path'],
    ['disk', 'D/vipd.yaml:18:14: checks[0].command: D/disk does not exist; make it, or correct the path'],
    ['vipd.yaml', 'D/vipd.yaml: does not exist; make it, or correct the path'],
  ])('%s', (name, message) => {
    rmSync(fixture.path(name));
    expect(complaints()).toBe(message);
    mkdirSync(fixture.path(name));
    expect(complaints()).toBe(message.replace(/does not.*/, 'is not a file; name a regular file'));
  });

  test('the configuration itself, with what the system said', () => {
    const readFile = (): Buffer => {
      throw Object.assign(new Error('no'), { code: 'EACCES' });
    };
    const result = loadConfig(fixture.path('vipd.yaml'), { readFile });
    expect(result.ok ? 'valid' : renderErrors(result.errors).replaceAll(fixture.directory, 'D')).toBe(
      'D/vipd.yaml: cannot be read (EACCES); let the account that runs vipd read D/vipd.yaml',
    );
  });
});

describe('the database login', () => {
  const at = 'D/vipd.yaml:15:18: mysql.defaults_file: ';

  test.each([
    ['', `${at}D/mysql.cnf names no user in its [client] group; add a line: user = vipd`],
    [
      '[client]\nuser=vipd\npassword="topsecret',
      `${at}D/mysql.cnf line 3: a quoted value is not closed; end it with the same quote`,
    ],
    ['[client]\nuser=vipd\nssl-key=/none\n', `${at}/none does not exist; make it, or correct the path`],
  ])('%j is refused', (text, message) => {
    fixture.write('mysql.cnf', text);
    expect(complaints()).toBe(message);
  });

  test('names a private key that must be private too', () => {
    fixture.write('mysql.cnf', `[client]\nuser=vipd\nssl-key=${fixture.path('pem')}\n`);
    fixture.write('pem', 'a key', 0o640);
    expect(complaints()).toBe(
      `${at}D/pem has mode 0640, open to others than its owner, but it holds a secret; run: chmod 600 D/pem`,
    );
    chmodSync(fixture.path('pem'), 0o600);
    expect(complaints()).toBe('valid');
  });
});

describe('key files', () => {
  const rotation = (): string =>
    fixture.agentYaml.replace(/key_file: .*/, `key_file: [${fixture.path('new')}, ${fixture.path('key')}]`);

  test('give their keys in the order of the list', () => {
    fixture.write('new', Buffer.alloc(32, 'a new key').toString('base64'));
    const result = loadConfig(fixture.write('vipd.yaml', rotation()));
    expect(result.ok && result.config.keys.map((key) => key.toString('hex'))).toEqual([
      Buffer.alloc(32, 'a new key').toString('hex'),
      KEY_HEX,
    ]);
  });

  test('with the same key are refused', () => {
    fixture.write('new', Buffer.from(KEY_HEX, 'hex').toString('base64'));
    fixture.write('vipd.yaml', rotation());
    expect(complaints()).toMatch(
      /key_file\[1\]: D\/key holds the same key as an earlier file; remove it, or put the other key there$/,
    );
  });

  test('without a usable key are refused, and what is in them stays secret', () => {
    fixture.write('key', 'hunter-2');
    expect(complaints()).toBe(
      'D/vipd.yaml:8:11: key_file: D/key: the key file holds neither base64 nor hexadecimal; make one with: head -c 32 /dev/urandom | base64 -w0',
    );
  });
});
