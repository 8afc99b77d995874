import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { titled } from '../../test/titled.js';

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
/** Of 10, as systemd-analyze(1) counts. */
const MAX_EXPOSURE = 3;

const unit = (name: string): readonly string[] =>
  readFileSync(new URL(`../../systemd/${name}`, import.meta.url), 'utf8').split('\n');

/** Values of a setting, split at spaces. */
const setting = (name: string, key: string): readonly string[] =>
  unit(name)
    .filter((line) => line.startsWith(`${key}=`))
    .flatMap((line) => line.slice(key.length + 1).split(' '));

describe.each(['vipd.service', 'vipd@.service', 'vipd-witness.service'])('%s', (name) => {
  test('starts after the network, so that it stops before it, and never gives up', () => {
    expect(setting(name, 'After')).toContain('network-online.target');
    expect(setting(name, 'Restart')).toEqual(['always']);
    expect(setting(name, 'StartLimitIntervalSec')).toEqual(['0']);
  });

  test('runs before others on a busy host, in real time or else by niceness', () => {
    // The capabilities of the units do not have CAP_SYS_NICE: limits have to allow it (sched(7), setpriority(2)).
    expect(setting(name, 'LimitRTPRIO')).toEqual(['1']);
    expect(setting(name, 'RestrictRealtime')).toEqual([]);
    expect(setting(name, 'Nice')).toEqual([String(constants.priority.PRIORITY_HIGHEST)]);
    expect(setting(name, 'CapabilityBoundingSet')).not.toContain('CAP_SYS_NICE');
  });

  test.skipIf(!hasAnalyze)(titled('shuts what it does not need', hasAnalyze, 'systemd-analyze'), () => {
    const path = fileURLToPath(new URL(`../../systemd/${name}`, import.meta.url));
    const judged = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', path], {
      encoding: 'utf8',
    });
    const [, exposure] = /Overall exposure level for .*: ([\d.]+)/.exec(judged.stdout) ?? [];
    expect(Number(exposure), judged.stdout + judged.stderr).toBeLessThanOrEqual(MAX_EXPOSURE);
  });

  test('is watched by the service manager', () => {
    expect(setting(name, 'Type')).toEqual(['notify']);
    expect(setting(name, 'WatchdogSec')).toHaveLength(1);
  });
});

describe.each(['vipd.service', 'vipd@.service'])('%s', (name) => {
  test('stops before the database, and is not taken along by it', () => {
    expect(setting(name, 'After')).toEqual(
      expect.arrayContaining(['mariadb.service', 'mysql.service', 'mysqld.service']),
    );
    for (const key of ['Requires', 'BindsTo', 'PartOf']) expect(setting(name, key)).toEqual([]);
  });

  test('reloads by asking the agent that reads that file, and waits for its answer', () => {
    const [, , file] = setting(name, 'ExecStart');
    expect(setting(name, 'ExecReload')).toEqual(['/usr/bin/vipctl', '--config', file, 'reload']);
  });

  test('cleans up after any death, with the file the agent read', () => {
    const [, ...agent] = setting(name, 'ExecStart');
    expect(setting(name, 'ExecStopPost')).toEqual(['/usr/bin/vipd', 'cleanup', ...agent]);
  });

  test('keeps the rights that addresses, frames and health scripts need', () => {
    const held = setting(name, 'AmbientCapabilities');
    expect(held).toEqual(
      expect.arrayContaining(['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SETUID', 'CAP_SETGID', 'CAP_KILL']),
    );
    expect(setting(name, 'User')).toEqual(['vipd']);
    expect(setting(name, 'CapabilityBoundingSet')).toEqual(held);
    expect(setting(name, 'RestrictAddressFamilies')).toEqual(expect.arrayContaining(['AF_NETLINK', 'AF_PACKET']));
  });
});

test('the template differs from the plain unit by its instance only', () => {
  const settings = (name: string): readonly string[] => unit(name).filter((line) => !line.startsWith('#'));
  const instance = settings('vipd@.service').map((line) =>
    line
      .replace('/etc/vipd/%i.yaml', '/etc/vipd/vipd.yaml')
      .replace('Directory=vipd-%i', 'Directory=vipd')
      .replace('=vipd %i,', '=vipd,')
      .replace(' mariadb@%i.service mysql@%i.service mysqld@%i.service', ''),
  );
  expect(instance).toEqual(settings('vipd.service'));
});
