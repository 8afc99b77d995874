import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onMachines } from './ground.js';
import { createPair, type Pair } from './pair.js';

onMachines('test/service/service.lab.test.ts', (ground) => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await createPair(ground);
  }, 600_000);
  afterAll(async () => {
    await pair.destroy();
  });

  test('the packages give a pair', async () => {
    console.log((await pair.vipctl('db1', 'status')).stdout);
    console.log(await pair.machines.db1.run('systemctl', 'status', 'vipd'));
    expect(await pair.holdsVip(await pair.active())).toBe(true);
  });
});
