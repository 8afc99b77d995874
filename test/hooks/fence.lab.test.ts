import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createFenceCommand, type FenceResult } from '../../src/host/fence-command.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { waitFor } from '../lab/wait.js';
import {
  installExample,
  privateFile,
  processesShowing,
  raiseLoopback,
  type Settings,
  scratchDirectory,
} from './ground.js';

const PORT = 9623;
const UP_DEADLINE_MS = 20_000;
/** The default of `fence.timeout`: the example must have said what failed before. */
const FENCE_TIMEOUT_MS = 20_000;
const PASSWORD = 'bmc-password';

/** ipmi_lan(5) and ipmi_sim_cmd(5): one management controller on the loopback, its power switch a program. */
const LAN_CONF = (chassis: string): string => `
name "bmc"
startlan 1
  addr 127.0.0.1 ${PORT}
  priv_limit admin
  allowed_auths_operator md5
  allowed_auths_admin md5
  guid a123456789abcdefa123456789abcdef
endlan
chassis_control "${chassis} 0x20"
user 2 true "vipd" "${PASSWORD}" operator 10
`;

const COMMANDS = `
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
`;

/** The machine behind the controller is a process; a power button that is stuck takes the command and does nothing. */
const CHASSIS = (directory: string): string => `#!/bin/sh
host=$(cat ${directory}/host)
case $2 in
  get)
    if kill -0 "$host" 2>/dev/null; then echo power:1; else echo power:0; fi ;;
  set) [ -e ${directory}/stuck ] || [ "$3$4" != power0 ] || kill -9 "$host" ;;
esac
exit 0
`;

inSandbox('test/hooks/fence.lab.test.ts', () => {
  const directory = scratchDirectory();
  let controller: ChildProcess;
  let host: ChildProcess;

  beforeAll(async () => {
    raiseLoopback();
    powerUp();
    const chassis = join(directory, 'chassis');
    writeFileSync(chassis, CHASSIS(directory), { mode: 0o755 });
    writeFileSync(join(directory, 'lan.conf'), LAN_CONF(chassis));
    writeFileSync(join(directory, 'commands'), COMMANDS);
    mkdirSync(join(directory, 'state'));
    const files = [
      '-c',
      join(directory, 'lan.conf'),
      '-f',
      join(directory, 'commands'),
      '-s',
      join(directory, 'state'),
    ];
    controller = spawn('ipmi_sim', ['-n', ...files], { stdio: 'ignore' });
    await waitFor(async () => (await fence()).ok, 'the controller answers', UP_DEADLINE_MS);
  });
  afterAll(() => controller.kill('SIGKILL'));
  beforeEach(() => powerUp());
  afterEach(() => {
    host.kill('SIGKILL');
    rmSync(join(directory, 'stuck'), { force: true });
  });

  const powerUp = (): void => {
    host = spawn('sleep', ['1000'], { stdio: 'ignore' });
    writeFileSync(join(directory, 'host'), String(host.pid));
  };
  const hostRuns = (): boolean => host.exitCode === null && host.signalCode === null;

  const fence = (settings: Settings = {}): Promise<FenceResult> => {
    const file = join(directory, 'fence');
    installExample('fence/ipmi', file, {
      CONTROLLERS: `db1=127.0.0.1:${PORT} db2=127.0.0.1:1`,
      PASSWORD_FILE: privateFile(directory, 'password', PASSWORD),
      // Debian's ipmi_sim knows no other.
      CIPHER_SUITE: '3',
      ...settings,
    });
    return createFenceCommand({
      command: [file],
      facts: () => ({ group: 'orders', node: 'db2', peer: 'db1', vips: ['10.99.0.100/24'] }),
      nowMs: () => performance.now(),
    }).run({ term: 7, reason: 'promise-ran-out', timeoutMs: FENCE_TIMEOUT_MS }, new AbortController().signal);
  };

  test('the peer is off when it says so, and again when it was off already', async () => {
    expect(hostRuns()).toBe(true);
    expect(await fence()).toMatchObject({ ok: true });
    await waitFor(() => !hostRuns(), 'the host is off', UP_DEADLINE_MS);
    expect(await fence()).toMatchObject({ ok: true });
  });

  test('it has failed while the peer stays on', async () => {
    writeFileSync(join(directory, 'stuck'), '');
    const result = await fence();
    expect(result.ok).toBe(false);
    expect(result.detail).toMatch(/^exit 1: fence: db1 is still on, \d+ s after its controller 127\.0\.0\.1:9623 took/);
    expect(hostRuns()).toBe(true);
  });

  test('wrong credentials are told, and leave the peer on', async () => {
    const wrong = await fence({ PASSWORD_FILE: privateFile(directory, 'wrong', 'wrong-password') });
    expect(wrong.ok).toBe(false);
    expect(wrong.detail).toMatch(
      /^exit 1: fence: whether db1 is off is not known: its controller 127\.0\.0\.1:9623 did not take the command \(user vipd, PASSWORD_FILE .*\): /,
    );
    expect(wrong.detail).not.toContain('wrong-password');

    const nobody = await fence({ USER_NAME: 'nobody' });
    expect(nobody.ok).toBe(false);
    expect(nobody.detail).toContain('did not take the command (user nobody');
    expect(hostRuns()).toBe(true);
  });

  test('a controller that does not answer is given up in time', async () => {
    const silent = createSocket('udp4').bind(9624, '127.0.0.1');
    await once(silent, 'listening');
    const shown: string[] = [];
    silent.on('message', () => shown.push(...processesShowing(PASSWORD)));
    const asked = once(silent, 'message');
    const result = await fence({ CONTROLLERS: 'db1=127.0.0.1:9624' });
    await asked;
    silent.close();
    expect(result.ok).toBe(false);
    expect(result.detail).toContain('its controller 127.0.0.1:9624 did not take the command');
    expect(shown).toEqual([]);
  });

  test('a peer without a controller, and a password that others can read, are told', async () => {
    expect((await fence({ CONTROLLERS: 'db2=127.0.0.1:9623' })).detail).toContain('CONTROLLERS has none for db1');
    const open = privateFile(directory, 'open', PASSWORD, 0o644);
    expect((await fence({ PASSWORD_FILE: open })).detail).toContain(`${open} is open to others: chmod 600 it`);
  });
});
