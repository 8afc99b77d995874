import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CredentialsError, parseCredentials } from '../config/login.js';
import { loadCredentials } from './credentials.js';

const parse = (text: string) => parseCredentials(text, '/etc/vipd/mysql.cnf');

describe('parseCredentials', () => {
  test.each([
    ['plain', '[client]\nuser=vipd\npassword=secret', 'secret'],
    ['spaces around', '[client]\n  user = vipd \n password =  secret  ', 'secret'],
    ['comment behind', '[client]\nuser=vipd\npassword=secret # of the agent', 'secret'],
    ['hash inside quotes', '[client]\nuser=vipd\npassword="a # b"', 'a # b'],
    ['hash without a space', '[client]\nuser=vipd\npassword=a#b', 'a#b'],
    ['single quotes', "[client]\nuser=vipd\npassword=' a '", ' a '],
    ['escapes', '[client]\nuser=vipd\npassword=a\\sb\\\\c\\td', 'a b\\c\td'],
    ['escaped quote', '[client]\nuser=vipd\npassword="a\\"b"', 'a"b'],
    ['equals sign', '[client]\nuser=vipd\npassword=a=b', 'a=b'],
    ['other groups', '[mysqld]\npassword=no\n[client]\nuser=vipd\npassword=secret\n[mysqldump]\npassword=no', 'secret'],
    ['comments and CRLF', '# one\r\n; two\r\n[client] # three\r\nuser=vipd\r\npassword=secret\r\n', 'secret'],
    ['later line wins', '[client]\nuser=vipd\npassword=old\npassword=secret', 'secret'],
    ['no password', '[client]\nuser=vipd', ''],
  ])('%s', (_, text, password) => {
    expect(parse(text)).toEqual({ user: 'vipd', password });
  });

  test('TLS files, with either spelling of the names', () => {
    expect(parse('[client]\nuser=vipd\nssl_ca=/a\nssl-cert=/b\nssl-key=/c\nssl-verify-server-cert').tls).toEqual({
      ca: '/a',
      cert: '/b',
      key: '/c',
      verifyServer: true,
    });
    expect(parse('[client]\nuser=vipd\nssl-ca=/a\nssl-verify-server-cert=OFF').tls).toEqual({
      ca: '/a',
      verifyServer: false,
    });
  });

  test.each([
    ['no user', '[client]\npassword=topsecret', 'names no user'],
    ['user of another group', '[mysql]\nuser=vipd', 'names no user'],
    ['open quote', '[client]\nuser=vipd\npassword="topsecret', 'line 3: a quoted value is not closed'],
    ['not an option', '[client]\nuser=vipd\n: topsecret', 'line 3: expected name = value'],
    ['broken group', '[client\nuser=vipd', 'line 1: a group must be written [client]'],
    ['include', '!includedir /etc/my.cnf.d\n[client]\nuser=vipd', 'line 1: !includedir is not followed'],
  ])('refuses: %s', (_, text, message) => {
    expect(() => parse(text)).toThrow(CredentialsError);
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).not.toThrow('topsecret');
  });
});

describe('loadCredentials', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vipd-credentials-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test.each([0o644, 0o640, 0o604, 0o620])('refuses mode %o, and says what to do', async (mode) => {
    const path = join(directory, 'open.cnf');
    await writeFile(path, '[client]\nuser=vipd\npassword=topsecret');
    await chmod(path, mode);
    await expect(loadCredentials(path)).rejects.toThrow(`run: chmod 600 ${path}`);
    await expect(loadCredentials(path)).rejects.toThrow(`mode 0${mode.toString(8)}`);
  });

  test('takes mode 600', async () => {
    const path = join(directory, 'closed.cnf');
    await writeFile(path, '[client]\nuser=vipd\npassword=secret', { mode: 0o600 });
    expect(await loadCredentials(path)).toEqual({ user: 'vipd', password: 'secret' });
  });

  test('refuses a private key that others may read, as it refuses the file', async () => {
    const key = join(directory, 'client.pem');
    await writeFile(key, 'a key');
    await chmod(key, 0o640);
    const path = join(directory, 'tls.cnf');
    await writeFile(path, `[client]\nuser=vipd\nssl-key=${key}`, { mode: 0o600 });
    await expect(loadCredentials(path)).rejects.toThrow(`run: chmod 600 ${key}`);
    await chmod(key, 0o400);
    expect((await loadCredentials(path)).tls).toMatchObject({ key });
    await rm(key);
    await expect(loadCredentials(path)).rejects.toThrow(`cannot read the ssl-key of ${path} ${key}: ENOENT`);
  });

  test('names a file that is not there', async () => {
    await expect(loadCredentials(join(directory, 'none'))).rejects.toThrow(
      /cannot read the database login .*none: ENOENT/,
    );
  });
});
