import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inSandbox } from '../lab/in-sandbox.js';
import { createLab, type Lab, peerOf } from '../lab/lab.js';
import { VIPCTL } from '../lab/programs.js';
import { NODES, type NodeName } from '../lab/topology.js';
import { causes, doctor, found, type Report, written } from './doctor-run.js';
import { CALM, untilPair } from './ground.js';

const VIP = { address: '10.99.0.100/24', interface: 'eth0' };

/** The agents of the lab are root's; a container may shut that out all the same, and then the doctor says so. */
const REAL_TIME_ALLOWED = spawnSync('chrt', ['--rr', '1', 'true']).status === 0;

/** Every fault is planted in one healthy pair, found by the name of its cause, and mended. */
inSandbox('test/survival/doctor.lab.test.ts', () => {
  let lab: Lab;
  let here: NodeName;
  let peer: NodeName;
  beforeAll(async () => {
    lab = await createLab({ ...CALM, secondPath: true });
    await untilPair(lab);
    peer = (await lab.status('db1')).active === 'db1' ? 'db1' : 'db2';
    here = peerOf(peer);
  });
  afterAll(() => lab.destroy());

  describe('a healthy pair', () => {
    it.each(NODES)('has nothing wrong, seen from %s', async (node) => {
      const report = await doctor(lab, node);
      expect(causes(report)).toEqual(REAL_TIME_ALLOWED ? [] : ['real-time']);
      expect(report.status).toBe(0);
      expect(report.findings.filter(({ verdict }) => verdict === 'skipped')).toEqual([]);
      expect(report.findings.length).toBeGreaterThan(20);
    });
  });

  describe('faults of the configuration', () => {
    let report: Report;
    beforeAll(async () => {
      const login = join(lab.directory, 'wrong.cnf');
      writeFileSync(login, '[client]\nuser=vipd\npassword=wrong-and-secret\n', { mode: 0o600 });
      const hook = join(lab.directory, 'hooks', 'hold', 'open-to-all');
      mkdirSync(dirname(hook), { recursive: true });
      writeFileSync(hook, '#!/bin/sh\n');
      chmodSync(hook, 0o777);
      const vips = [
        VIP,
        { address: '10.99.0.101/24', interface: 'eth7' },
        { address: '10.99.0.102/25', interface: 'eth0' },
      ];
      report = await doctor(
        lab,
        here,
        written(lab, here, {
          vip: vips,
          heartbeat: { dead_after: 20 },
          gateways: ['10.99.0.253'],
          mysql: { defaults_file: login },
          hooks: { directory: join(lab.directory, 'hooks') },
          state_directory: join(lab.directory, 'nowhere'),
        }),
      );
    });

    it.each([
      ['interface', /there is no such interface \(there are: lo, .*eth0/],
      ['netmask', /the host has 10\.99\.0\.\d\/24 there/],
      ['lease', /heartbeat\.dead_after is 20 here and 10 there/],
      ['gateway', /it does not answer/],
      ['database-login', /Access denied for user 'vipd'/],
      ['hooks', /open-to-all/],
      ['state-directory', /ENOENT/],
      ['config-in-force', /the file is \w+, in force is \w+/],
    ])('%s is named', (cause, what) => found(report, cause, what));

    it('ends with exit status 1, tells text as well, and tells no secret', async () => {
      expect(report.status).toBe(1);
      expect(JSON.stringify(report)).not.toContain('wrong-and-secret');
      const { status, stdout } = await lab.exec(here, [
        process.execPath,
        VIPCTL,
        '--config',
        written(lab, here, { vip: [{ ...VIP, interface: 'eth7' }] }),
        'doctor',
      ]);
      expect(status).toBe(1);
      expect(stdout).toMatch(/^FAULT {5}interface: looked at eth7.*\n +next: correct vip\.interface/);
      expect(stdout).toMatch(/\d+ faults?, \d+ warnings?, by \d+ checks\n$/);
    });

    it('an invalid file has the exit status of one', async () => {
      const path = written(lab, here, { guard: 'none' });
      expect((await lab.exec(here, [process.execPath, VIPCTL, '--config', path, 'doctor'])).status).toBe(4);
    });
  });

  describe('files of another group', () => {
    it('another key, another record, and other settings are named', async () => {
      const key = join(lab.directory, 'other-key');
      writeFileSync(key, `${Buffer.alloc(32, 'another group').toString('base64')}\n`, { mode: 0o600 });
      const state = join(lab.directory, 'other-state');
      cpSync(lab.files[here].stateDirectory, state, { recursive: true });
      appendFileSync(join(state, 'lab', 'record.json'), 'torn');
      const first = await doctor(lab, here, written(lab, here, { key_file: key, state_directory: state }));
      found(first, 'key', /does not take our word/);
      found(first, 'record', /torn/);
      const second = await doctor(
        lab,
        here,
        written(lab, here, { promotion: { max_loss: '9s' }, mysql: { semi_sync: 'off' } }),
      );
      found(
        second,
        'settings',
        /mysql\.semi_sync is off here and manage there; promotion\.max_loss is 9s here and 5s there/,
      );
    });

    it('an address that this host has not is named', async () => {
      const nodes = { [here]: { address: '10.99.0.77' } };
      found(await doctor(lab, here, written(lab, here, { nodes })), 'own-address', /no interface has it/);
    });
  });

  describe('faults of the host and its database', () => {
    let report: Report;
    const sysctl = (setting: string) => lab.exec(here, ['sysctl', '-qw', `net.ipv4.conf.eth0.${setting}`]);
    const plantAndMend = async (revoke: string, grant: string, look: () => Promise<Report>): Promise<Report> => {
      const { defaultsFile } = lab.database[here];
      const cnf = readFileSync(defaultsFile, 'utf8');
      await lab.database[here].sql(`SET SESSION sql_log_bin=0; ${revoke}; SET GLOBAL sync_binlog=0`);
      writeFileSync(defaultsFile, cnf.replace('read_only=ON\n', ''));
      const seen = await look();
      writeFileSync(defaultsFile, cnf);
      await lab.database[here].sql(`SET SESSION sql_log_bin=0; ${grant}; SET GLOBAL sync_binlog=1`);
      return seen;
    };
    beforeAll(async () => {
      await sysctl('arp_ignore=8');
      await sysctl('rp_filter=1');
      await lab.exec(here, ['ip', 'route', 'replace', 'default', 'dev', 'eth1']);
      await lab.exec(here, ['ip', 'link', 'set', 'eth0', 'mtu', '1000']);
      await lab.exec('stranger', ['ip', 'address', 'add', '10.99.0.101/24', 'dev', 'eth0']);
      const config = written(lab, here, { vip: [VIP, { ...VIP, address: '10.99.0.101/24' }] });
      const user = `'vipd'@'localhost'`;
      report = await plantAndMend(
        `REVOKE BINLOG ADMIN ON *.* FROM ${user}`,
        `GRANT BINLOG ADMIN ON *.* TO ${user}`,
        () => doctor(lab, here, config),
      );
      await sysctl('arp_ignore=0');
      await sysctl('rp_filter=0');
      await lab.exec(here, ['ip', 'link', 'set', 'eth0', 'mtu', '1500']);
      await lab.exec(here, ['ip', 'route', 'replace', 'default', 'via', '10.99.0.254']);
      await lab.exec('stranger', ['ip', 'address', 'del', '10.99.0.101/24', 'dev', 'eth0']);
    });
    afterAll(() => untilPair(lab));

    it.each([
      ['arp-ignore', /arp_ignore is 8: nobody gets an answer/],
      ['rp-filter', /rp_filter is 1 \(strict\), and the default route goes by eth1/],
      ['mtu', /it is 1000, and heartbeats need 1280/],
      ['mtu-pair', /1000 here, 1500 there/],
      ['stranger', /02:99:00:00:00:13, which is not db\d, answers for 10\.99\.0\.101/],
      ['grants', /BINLOG ADMIN on \*\.\* is missing \(SET SESSION sql_log_bin=0/],
      ['my-cnf', /sync_binlog is 0: a power cut would lose acknowledged commits/],
      ['at-start', /read_only = ON is not among them/],
    ])('%s is named', (cause, what) => found(report, cause, what));
  });
});
