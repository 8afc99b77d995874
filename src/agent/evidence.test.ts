import { describe, expect, test } from 'vitest';
import type { VipdConfig } from '../config/types.js';
import { createEvidence } from './evidence.js';
import type { ShutPeer } from './peer-database.js';

/** As much of a configuration as the question needs: no gateway to ask. */
const config = { gateways: [], vips: [] } as unknown as VipdConfig;

const gather = (peer: ShutPeer, agoMs: number | null, fencePeer = true) =>
  createEvidence(
    () => ({ config }),
    () => Promise.resolve(peer),
    () => Promise.resolve(agoMs),
    () => 0,
  )(fencePeer, AbortSignal.timeout(1_000));

describe('evidence on a silent peer', () => {
  test('whose database does not answer, and from which nothing comes: nothing speaks for its life', async () => {
    expect(await gather({ state: 'silent' }, null)).toMatchObject({ peerDatabase: 'silent' });
  });

  test('whose database accepts no connection, while replication from it goes on: it lives, and is not known to be read-only', async () => {
    expect(await gather({ state: 'silent' }, 120)).toMatchObject({
      peerDatabase: 'refuses',
      detail: expect.stringContaining('replication from it brought something 120 ms ago'),
    });
  });

  test('whose database was made read-only: what replication brings does not matter', async () => {
    expect(await gather({ state: 'made-read-only', position: 'p' }, 120)).toMatchObject({
      peerDatabase: 'made-read-only',
      position: 'p',
    });
  });

  test('whose database is not to be touched: it is not looked for', async () => {
    expect(await gather({ state: 'refuses', why: '' }, 120, false)).toMatchObject({ peerDatabase: 'silent' });
  });
});
