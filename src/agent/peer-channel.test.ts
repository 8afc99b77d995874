import { beforeEach, describe, expect, test } from 'vitest';
import { createPeerChannel, type PeerChannel } from './peer-channel.js';

describe('replication from a silent peer', () => {
  let nowMs = 0;
  let word: string | null = 'a';
  let asked = 0;
  let needed = true;
  let channel: PeerChannel;
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    [nowMs, word, asked, needed] = [1_000, 'a', 0, true];
    channel = createPeerChannel({
      arrivals: () => {
        asked += 1;
        return word === null ? Promise.reject(new Error('hangs')) : Promise.resolve(word);
      },
      isNeeded: () => needed,
      now: () => nowMs,
    });
  });

  test('what came before the silence does not count: a host that died under load is not waited for', async () => {
    channel.askAhead();
    await settled();
    nowMs += 100;
    expect(await channel.cameAgo()).toBeNull();
  });

  test('what comes after it shows that the host lives, for two seconds', async () => {
    channel.askAhead();
    await settled();
    word = 'b';
    nowMs += 100;
    expect(await channel.cameAgo()).toBe(0);
    nowMs += 1_500;
    expect(await channel.cameAgo()).toBe(1_500);
    nowMs += 501;
    expect(await channel.cameAgo()).toBeNull();
    word = 'c';
    expect(await channel.cameAgo()).toBe(0);
  });

  test('another silence begins anew', async () => {
    channel.askAhead();
    await settled();
    word = 'b';
    expect(await channel.cameAgo()).toBe(0);
    channel.forget();
    word = 'c';
    expect(await channel.cameAgo()).toBeNull();
    channel.askAhead();
    word = 'd';
    await settled();
    expect(await channel.cameAgo()).toBe(0);
  });

  test('a server that does not answer says nothing, and what it said before still counts', async () => {
    channel.askAhead();
    await settled();
    word = null;
    expect(await channel.cameAgo()).toBeNull();
    word = 'b';
    expect(await channel.cameAgo()).toBe(0);
  });

  test('nothing is asked ahead where a witness tells who lives', async () => {
    needed = false;
    channel.askAhead();
    await settled();
    expect(asked).toBe(0);
  });
});
