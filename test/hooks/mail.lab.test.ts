import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import { ROOT } from '../lab/programs.js';
import { type ExampleRun, privateFile, raiseLoopback, runExample, scratchDirectory, waitForPort } from './ground.js';

const PORT = 2525;
const PASSWORD = 'password-of-the-relay';

/** A certificate for `localhost`, signed by itself. */
const certify = (key: string, certificate: string): void => {
  const what = ['-newkey', 'rsa:2048', '-noenc', '-days', '2', '-subj', '/CN=localhost'];
  const names = ['-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', '-x509', ...what, ...names, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
};

inSandbox('test/hooks/mail.lab.test.ts', () => {
  const directory = scratchDirectory();
  const certificate = join(directory, 'relay.crt');
  const maildir = join(directory, 'maildir');
  let server: ChildProcess;

  beforeAll(async () => {
    raiseLoopback();
    const key = join(directory, 'relay.key');
    certify(key, certificate);
    const program = join(ROOT, 'test', 'hooks', 'smtp-server.py');
    const account = ['vipd', PASSWORD];
    server = spawn('/usr/bin/python3', [program, String(PORT), certificate, key, maildir, ...account], {
      stdio: 'inherit',
    });
    await waitForPort(PORT);
  });
  afterAll(() => server.kill());
  beforeEach(() => {
    for (const file of delivered()) rmSync(file);
  });

  const delivered = (): readonly string[] =>
    readdirSync(join(maildir, 'new')).map((name) => join(maildir, 'new', name));

  const msmtprc = (port: number, password: string): string =>
    privateFile(
      directory,
      `msmtprc-${port}${password === PASSWORD ? '' : '-wrong'}`,
      `defaults
auth on
tls on
tls_starttls on
tls_trust_file ${certificate}
account default
host localhost
port ${port}
user vipd
password ${password}
`,
    );

  const run = (more: Partial<ExampleRun> = {}) =>
    runExample({
      example: 'mail',
      phase: 'post-promote',
      ...more,
      settings: {
        TO: 'dba@example.com oncall@example.com',
        SENDMAIL: `msmtp --file=${msmtprc(PORT, PASSWORD)}`,
        ...more.settings,
      },
    });

  test('the mail says who is active and why, to everybody named', async () => {
    expect(
      await run({ facts: { reason: 'database down: „weg“\nSubject: not a header\n.\nstill here' } }),
    ).toMatchObject({
      ok: true,
    });
    const [file = '', ...more] = delivered();
    expect(more).toEqual([]);
    const mail = readFileSync(file, 'utf8');
    const [head = '', body = ''] = mail.split(/\n\n(.*)/s);
    expect(head).toContain('Subject: [vipd] orders: db1 is active');
    expect(head).not.toContain('not a header');
    expect(head).toContain('To: dba@example.com, oncall@example.com');
    expect(head).toContain('Auto-Submitted: auto-generated');
    expect(head).toMatch(/X-RcptTo: dba@example.com, oncall@example.com/);
    expect(body).toContain('term    7');
    expect(body).toContain('reason  database down: „weg“');
    expect(body).toContain('still here');
  });

  test('a hold is told by its name', async () => {
    expect(await run({ phase: 'hold', facts: { reason: 'quarantined' } })).toMatchObject({ ok: true });
    expect(readFileSync(delivered()[0] ?? '', 'utf8')).toContain('Subject: [vipd] orders: db1 holds quarantined');
  });

  test('wrong credentials are told, without the password', async () => {
    const wrong = msmtprc(PORT, 'wrong-password');
    const result = await run({ settings: { SENDMAIL: `msmtp --file=${wrong}` } });
    expect(result.detail).toMatch(
      /^post-promote\/mail: exit 1: mail: "db1 is active" was not mailed to dba@example\.com oncall@example\.com: .*authentication failed.*535/,
    );
    expect(result.detail).not.toContain('wrong-password');
    expect(delivered()).toEqual([]);
  });

  test('a relay that is down or hangs is given up in time', async () => {
    const down = await run({ settings: { SENDMAIL: `msmtp --file=${msmtprc(2526, PASSWORD)}` } });
    expect(down.ran[0]?.exit).toBe(1);
    expect(down.detail).toContain('cannot connect to localhost, port 2526');

    const hanging = createServer().listen(2527, '127.0.0.1');
    const hung = await run({ settings: { SENDMAIL: `msmtp --file=${msmtprc(2527, PASSWORD)}` } });
    hanging.close();
    expect(hung.ran[0]?.exit).toBe(1);
    expect(hung.detail).toContain('no end within 8 s');
  });
});
