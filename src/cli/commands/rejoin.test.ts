/** What divergence and rejoin refuse before they touch the database, as an operator is told it. */

import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { titled } from '../../../test/titled.js';
import { type ConfigFixture, createConfigFixture } from '../../config/config.fixture.js';
import { type ControlServer, createControlServer } from '../../control/server.js';
import { allWell, db1, db2 } from '../../control/status.fixture.js';
import type { Status } from '../../control/status.js';
import { runVipctl } from './program.js';
import type { Terminal } from './terminal.js';

let fixture: ConfigFixture;
let server: ControlServer;
let status: Status = allWell;
let err = '';

const terminal: Terminal = {
  out: () => undefined,
  err(text) {
    err += text;
  },
  size: () => null,
  environment: {},
  onInterrupt: () => () => undefined,
};

const vipctl = (...argv: readonly string[]) =>
  runVipctl(['--config', fixture.path('vipd.yaml'), '--socket', fixture.path('c.sock'), ...argv], {
    terminal,
    checkConfig: () => ({ text: '', status: 0 }),
  });

beforeEach(async () => {
  fixture = createConfigFixture();
  fixture.write('vipd.yaml', `${fixture.agentYaml}state_directory: ${fixture.directory}\n`);
  err = '';
  server = await createControlServer({
    path: join(fixture.directory, 'c.sock'),
    group: 'root',
    warn: () => undefined,
    handle: (_request, reply) => reply.done(true, '', status),
  });
});

afterEach(async () => {
  await server.close();
  fixture.remove();
});

const isRoot = process.geteuid?.() === 0;

test.skipIf(isRoot)(titled('only root reads the rows', !isRoot, 'another user than root'), async () => {
  expect(await vipctl('divergence')).toBe(1);
  expect(err).toContain('only root may use it: sudo vipctl divergence');
});

describe.runIf(isRoot)('as root', () => {
  test.each(['divergence', 'rejoin'])('%s is for the standby', async (command) => {
    status = allWell;
    expect(await vipctl(command)).toBe(1);
    expect(err).toContain(`${command} is for a standby, and db1 is active: type it on db2`);
  });

  test('without an active there is nothing to compare with', async () => {
    status = {
      ...allWell,
      nodes: [
        { ...db1, role: 'standby', active: false },
        { ...db2, agent: { ...db2.agent, reachable: false } },
      ],
    };
    expect(await vipctl('rejoin', '--discard', '--yes')).toBe(1);
    expect(err).toContain('db2 is not active, or was not heard');
  });

  test('an agent that does not answer has an exit status of its own', async () => {
    await server.close();
    expect(await vipctl('divergence')).toBe(3);
  });

  test('a wrong configuration has one too', async () => {
    fixture.write('vipd.yaml', 'group: orders\n');
    expect(await vipctl('divergence')).toBe(4);
  });
});

test('both ways at once are no way', async () => {
  expect(await vipctl('rejoin', '--discard', '--keep')).toBe(2);
});
