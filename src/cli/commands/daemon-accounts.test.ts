/** Commands that root types take the secrets of the daemons' accounts, as the agent itself does. */

import { afterEach, expect, test, vi } from 'vitest';
import { type ConfigFixture, createConfigFixture } from '../../config/config.fixture.js';
import { loadConfig } from '../../config/load.js';
import { runVipctl } from './program.js';
import type { Terminal } from './terminal.js';

const DAEMON = 4_321;

vi.mock('./daemon-accounts.js', () => ({ daemonAccounts: () => [DAEMON] }));
vi.mock('../../config/load.js', () => ({ loadConfig: vi.fn(() => ({ ok: false, errors: [] })) }));

const terminal: Terminal = {
  out: () => undefined,
  err: () => undefined,
  size: () => null,
  environment: {},
  onInterrupt: () => () => undefined,
};

let fixture: ConfigFixture | null = null;
afterEach(() => {
  vi.restoreAllMocks();
  fixture?.remove();
  fixture = null;
});

test.each([
  [['doctor']],
  [['divergence']],
  [['rejoin', '--keep', '--yes']],
  [['replication', 'check']],
  [['replication', 'repair']],
  [['replication', 'setup', '--dry-run']],
])('%j', async (argv) => {
  fixture = createConfigFixture();
  vi.spyOn(process, 'geteuid').mockReturnValue(0);
  const file = fixture.write('vipd.yaml', fixture.agentYaml);
  const read = vi.mocked(loadConfig).mockClear();
  expect(await runVipctl(['--config', file, ...argv], { terminal, checkConfig: () => ({ text: '', status: 0 }) })).toBe(
    4,
  );
  expect(read).toHaveBeenCalledWith(file, expect.objectContaining({ daemonAccounts: [DAEMON] }));
});
