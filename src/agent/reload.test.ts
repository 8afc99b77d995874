import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ConfigFixture, createConfigFixture } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import type { VipdConfig } from '../config/types.js';
import { startNode } from '../core/start.js';
import type { NodeState } from '../core/state.js';
import { createReloader, type ReloaderOptions } from './reload.js';
import { coreConfigOf } from './take-over.js';

let fixture: ConfigFixture;
let path: string;
let standby: NodeState;

const load = () => loadConfig(path, { hostName: 'db1' });
const sound = (): VipdConfig => {
  const result = load();
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.config;
};

beforeAll(() => {
  fixture = createConfigFixture();
  path = fixture.write('vipd.yaml', fixture.agentYaml);
  standby = { ...startNode(coreConfigOf(sound(), []), null, 0).state, role: 'standby' };
});
afterAll(() => fixture.remove());

const reloader = (more: Partial<ReloaderOptions> = {}) => {
  const config = sound();
  return createReloader({
    load: async () => load(),
    inForce: () => config,
    state: () => standby,
    takeOver: async () => [],
    now: () => 0,
    momentOf: (at) => ({ bootMs: at, wall: '' }),
    tell: () => undefined,
    ...more,
  });
};

it('takes nothing over of a file with an error in it, and tells where that is', async () => {
  let tookOver = false;
  const one = reloader({
    takeOver: async () => {
      tookOver = true;
      return [];
    },
  });
  fixture.write('vipd.yaml', fixture.agentYaml.replace('interval: 100ms', 'interval: 100'));
  const status = await one.reload();
  fixture.write('vipd.yaml', fixture.agentYaml);
  expect(status).toMatchObject({ ok: false, text: expect.stringContaining('the old one stays in force') });
  expect(status.details).toEqual([expect.stringMatching(/vipd\.yaml:12:\d+: heartbeat\.interval: /)]);
  expect(one.last()).toEqual(status);
  expect(tookOver).toBe(false);
});

it('waits for the end of a move before it takes anything over', async () => {
  let state: NodeState = { ...standby, role: 'promoting' };
  const seen: string[] = [];
  const one = reloader({
    state: () => state,
    takeOver: async () => {
      seen.push(state.role);
      return ['mysql.defaults_file'];
    },
  });
  setTimeout(() => {
    state = { ...standby, role: 'active' };
  }, 120);
  expect((await one.reload()).text).toBe('configuration reloaded; changed: mysql.defaults_file');
  expect(seen).toEqual(['active']);
});

it('says why what the world refuses was refused', async () => {
  const one = reloader({ takeOver: () => Promise.reject(new Error('a stranger answers')) });
  expect(await one.reload()).toMatchObject({ ok: false, text: expect.stringContaining('a stranger answers') });
});

it('gives all who ask during a reload one further reload, which reads the file anew', async () => {
  let runs = 0;
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const one = reloader({
    takeOver: async () => {
      runs += 1;
      await gate;
      return [];
    },
  });
  const first = one.reload();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const others = Array.from({ length: 50 }, () => one.reload());
  open();
  await Promise.all([first, ...others]);
  expect(runs).toBe(2);
});
