import { afterEach, expect, test } from 'vitest';
import { createConfigFixture } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import type { VipdConfig } from '../config/types.js';
import { localTarget, peerTarget } from './target.js';

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});

const configWith = (mysql: string): VipdConfig => {
  const files = createConfigFixture();
  cleanup.push(() => files.remove());
  const loaded = loadConfig(files.write('vipd.yaml', files.agentYaml.replace('mysql:', `mysql:${mysql}`)));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded));
  return loaded.config;
};

test("the extra door is this host's server's alone, by socket and by TCP", () => {
  const bySocket = configWith('\n  socket: /run/mysqld/mysqld.sock\n  admin_port: 33062');
  expect(localTarget(bySocket)).toEqual({ socket: '/run/mysqld/mysqld.sock', adminPort: 33062 });
  const byTcp = configWith('\n  host: 127.0.0.1\n  port: 3307\n  admin_port: 33062');
  expect(localTarget(byTcp)).toEqual({ host: '127.0.0.1', port: 3307, adminPort: 33062 });
  expect(peerTarget(byTcp)).toEqual({ host: byTcp.peer.address, port: 3307 });
});

test('where none is configured there is none', () => {
  expect(localTarget(configWith('\n  socket: /run/mysqld/mysqld.sock'))).toEqual({ socket: '/run/mysqld/mysqld.sock' });
});
