import { chmodSync, mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt } from '../lab/command.js';
import { createDaemon } from '../lab/daemon.js';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab } from '../lab/lab.js';
import { VIPD } from '../lab/programs.js';
import { on } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { CALM, holdsVip, PATIENCE_MS, reconfigure, said, untilEnded, untilPair, untilSaid } from './ground.js';

/** Each of these ends at once, with one clear reason, and changes nothing. */
inSandbox('test/survival/start.lab.test.ts', () => {
  describe('an agent that cannot run', () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await createLab({ ...CALM, agents: false });
    });
    afterAll(() => lab.destroy());

    const etc = (): string => dirname(lab.files.db1.config);
    /** Starts db1's agent as the service manager would, and waits for its end. */
    const run = (argv: readonly string[] = []) =>
      attempt([...on('db1'), process.execPath, VIPD, '--config', lab.files.db1.config, ...argv]);
    const refusedWith = async (status: number, what: RegExp): Promise<void> => {
      const result = await run();
      expect({ status: result.status, told: `${result.stdout}${result.stderr}` }).toEqual({
        status,
        told: expect.stringMatching(what),
      });
      expect(await holdsVip(lab, 'db1')).toBe(false);
    };

    it('names file, line, column and remedy of a malformed configuration, and exits with 4', async () => {
      const before = readFileSync(lab.files.db1.config, 'utf8');
      writeFileSync(lab.files.db1.config, before.replace('interval: 100ms', 'interval: "100"'));
      await refusedWith(4, /vipd\.yaml:\d+:\d+: heartbeat\.interval: .*100.*; .*100ms/);
      writeFileSync(lab.files.db1.config, `${before}\n\tgroup: x`);
      await refusedWith(4, /vipd\.yaml:\d+:\d+: /);
      renameSync(lab.files.db1.config, `${lab.files.db1.config}.away`);
      await refusedWith(4, /vipd\.yaml: .*; /);
      renameSync(`${lab.files.db1.config}.away`, lab.files.db1.config);
      writeFileSync(lab.files.db1.config, before);
    });

    it('asks for a key that nobody else can read', async () => {
      const key = join(etc(), 'key');
      chmodSync(key, 0o644);
      await refusedWith(4, /vipd\.yaml:\d+:\d+: key_file: .*0?644.*chmod 0?600/);
      chmodSync(key, 0o600);
      renameSync(key, `${key}.away`);
      await refusedWith(4, /vipd\.yaml:\d+:\d+: key_file: .*etc\/key/);
      mkdirSync(key);
      await refusedWith(4, /vipd\.yaml:\d+:\d+: key_file: .*etc\/key/);
      rmdirSync(key);
      renameSync(`${key}.away`, key);
    });

    it('asks for a database login that nobody else can read, and tells none of it', async () => {
      const login = join(etc(), 'mysql.cnf');
      chmodSync(login, 0o640);
      await refusedWith(4, /mysql\.defaults_file: .*0?640.*chmod 0?600/);
      chmodSync(login, 0o600);
      renameSync(login, `${login}.away`);
      await refusedWith(4, /mysql\.defaults_file: .*mysql\.cnf/);
      writeFileSync(login, '[client]\npassword = not-to-be-told\nuser\n', { mode: 0o600 });
      const result = await run();
      expect(result.status).toBe(4);
      expect(`${result.stdout}${result.stderr}`).toMatch(
        /mysql\.defaults_file: .*mysql\.cnf names no user.*user = vipd/,
      );
      expect(`${result.stdout}${result.stderr}`).not.toContain('not-to-be-told');
      renameSync(`${login}.away`, login);
    });

    it('names the UDP port that somebody else has', async () => {
      const holder = "const s=require('dgram').createSocket('udp4');s.bind(8694,'10.99.0.1');setTimeout(()=>{},6e4)";
      const busy = createDaemon({
        name: 'a program on the port',
        host: 'db1',
        argv: [process.execPath, '-e', holder],
        logFile: join(lab.directory, 'busy.log'),
      });
      busy.start();
      await waitForPort();
      await refusedWith(1, /cannot start: .*10\.99\.0\.1.*8694.*(in use|EADDRINUSE)/);
      await busy.stop('SIGKILL');
    });

    const waitForPort = async (): Promise<void> => {
      await waitFor(
        async () => (await lab.exec('db1', ['ss', '-lun'])).stdout.includes(':8694'),
        'the port is taken',
        PATIENCE_MS,
      );
    };

    it('names an address that this host has not', async () => {
      const before = readFileSync(lab.files.db1.config, 'utf8');
      reconfigure(lab, 'db1', { nodes: { db1: { address: '10.99.0.77' } } });
      await refusedWith(1, /cannot start: .*10\.99\.0\.77/);
      writeFileSync(lab.files.db1.config, before);
    });

    it('does not put its socket in place of something else', async () => {
      writeFileSync(lab.files.db1.controlSocket, 'precious');
      await refusedWith(1, /cannot start: cannot listen on .*control\.sock: a file that is no socket is there/);
      expect(readFileSync(lab.files.db1.controlSocket, 'utf8')).toBe('precious');
      renameSync(lab.files.db1.controlSocket, join(lab.directory, 'precious'));
    });

    it('does not run beside another one, which goes on', async () => {
      lab.witness.start();
      lab.agent.db1.start();
      lab.agent.db2.start();
      await untilPair(lab);
      const second = await run();
      expect(second.status).toBe(1);
      expect(second.stderr).toContain(`process ${lab.agent.db1.pid} runs the agent of group lab on this host already`);
      expect(second.stderr).toContain('stop it first');
      await untilPair(lab);
      expect(said(lab.agent.db1).join('\n')).not.toMatch(/fatal|contradicted/);
    });
  });

  describe('a witness that cannot run', () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await createLab({ ...CALM, agents: false });
    });
    afterAll(() => lab.destroy());

    it('names file, line and column of a malformed configuration, and exits with 4', async () => {
      const before = readFileSync(lab.witnessFiles.config, 'utf8');
      writeFileSync(lab.witnessFiles.config, before.replace('nodes:', 'notes:'));
      lab.witness.start();
      expect(await untilEnded(lab.witness)).toEqual({ code: 4, signal: null });
      expect(said(lab.witness).join('\n')).toMatch(/witness\.yaml:\d+:\d+: groups\[0\].*notes/);
      writeFileSync(lab.witnessFiles.config, before);
    });

    it('says whose state directory it is, and leaves the one that runs alone', async () => {
      lab.witness.start();
      await untilSaid(lab.witness, /witness w1 listens/);
      const second = await lab.exec('w1', lab.witness.argv);
      expect(second.status).toBe(1);
      expect(second.stderr).toContain(
        `process ${lab.witness.pid} runs with ${lab.witnessFiles.stateDirectory} already`,
      );
      const init = await lab.exec('w1', [
        process.execPath,
        VIPD,
        'witness',
        'init',
        'lab',
        '--config',
        lab.witnessFiles.config,
      ]);
      expect(init.status).toBe(1);
      expect(init.stderr).toContain('the witness runs');
      await lab.witness.stop();
      expect(lab.witness.exits.at(-1)).toEqual({ code: 0, signal: null });
    });
  });
});
