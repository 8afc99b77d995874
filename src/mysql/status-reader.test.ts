import { describe, expect, it } from 'vitest';
import type { Flavour, ServerStatus } from './flavour.js';
import { createStatusReader } from './status-reader.js';

/** A server that counts what it is asked, and a reader that asks it each 100 ms. */
const watched = () => {
  const server = { readOnly: false, position: 'mariadb:0-1-1', semiSyncReplicas: 1 };
  const asked: string[] = [];
  let now = 0;
  const status = (): ServerStatus => ({ ...server, semiSync: true });
  const flavour = {
    readState: async () => {
      asked.push('state');
      return { readOnly: server.readOnly, position: server.position };
    },
    readStatus: async () => {
      asked.push('whole');
      return status();
    },
  } as unknown as Flavour;
  const reader = createStatusReader();
  const poll = async (): Promise<ServerStatus> => {
    now += 100;
    return reader.read(flavour, async () => [], now);
  };
  /** Until a poll asks for the state alone. */
  const settle = async (): Promise<void> => {
    while (asked.at(-1) !== 'state') await poll();
    asked.length = 0;
  };
  return { server, asked, reader, flavour, poll, settle, status };
};

describe('the status of a server', () => {
  it('is read as a whole twice a second where nothing moves', async () => {
    const { asked, poll, settle } = watched();
    await settle();
    for (let i = 0; i < 10; i += 1) await poll();
    expect(asked.filter((what) => what === 'whole')).toHaveLength(2);
  });

  it('is read as a whole each time while transactions come', async () => {
    const { server, asked, poll, settle } = watched();
    await settle();
    for (let i = 2; i < 12; i += 1) {
      server.position = `mariadb:0-1-${i}`;
      expect((await poll()).position).toBe(server.position);
    }
    expect(asked.filter((what) => what === 'state').length).toBeLessThanOrEqual(1);
  });

  it('tells of read-only at once, and of the rest soon', async () => {
    const { server, poll, settle, status } = watched();
    await settle();
    server.readOnly = true;
    expect((await poll()).readOnly).toBe(true);
    server.semiSyncReplicas = 0;
    for (let i = 0; i < 5; i += 1) await poll();
    expect(await poll()).toEqual(status());
  });

  it('is read as a whole after a step, also one that ended during the last reading', async () => {
    const { asked, reader, poll, settle, flavour } = watched();
    await settle();
    reader.expire();
    await poll();
    expect(asked).toEqual(['whole']);
    await settle();
    reader.expire();
    const reading = reader.read(flavour, async () => [], 1_000_000);
    reader.expire();
    await reading;
    await poll();
    expect(asked).toEqual(['whole', 'whole']);
  });

  it('is read as a whole after a failure', async () => {
    const { asked, reader, poll, settle, flavour } = watched();
    await settle();
    const broken = { ...flavour, readState: () => Promise.reject(new Error('lost')) };
    await expect(reader.read(broken, async () => [], 0)).rejects.toThrow('lost');
    await poll();
    expect(asked).toEqual(['whole']);
  });
});
