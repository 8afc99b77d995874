import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NodeState } from '../core/state.js';
import { createLookAhead } from './look-ahead.js';

const LEASE_MS = 300;

interface Seen {
  readonly role?: NodeState['role'];
  readonly peerOwns?: boolean;
  readonly peerRole?: NodeState['role'];
  readonly peerHealth?: 'ok' | 'failed';
  readonly release?: { readonly term: number; readonly finalPosition: string } | null;
  readonly salvage?: boolean;
}

/** As much of a state as is looked at: db1 serves with term 7, or did last. */
const stateOf = ({
  role = 'standby',
  peerOwns = true,
  peerRole = 'active',
  peerHealth = 'ok',
  release = null,
  salvage = true,
}: Seen = {}): NodeState =>
  ({
    role,
    config: { peer: 'db1', salvage },
    lastOwner: { name: 'db1', term: 7 },
    peer: { beat: { owner: peerOwns, role: peerRole, health: peerHealth }, release },
  }) as unknown as NodeState;

const lookingAhead = (standing: Seen = {}) => {
  const asked: string[] = [];
  const note = (what: string) => () => {
    asked.push(what);
  };
  const lookAhead = createLookAhead({
    leaseMs: LEASE_MS,
    state: () => stateOf(standing),
    probe: { askAhead: note('link'), forget: note('link forgotten') },
    peerDatabase: { askAhead: note('server'), forget: note('server forgotten') },
    peerChannel: { askAhead: note('replication'), forget: note('replication forgotten') },
    askSalvage: note('logs'),
  });
  return { lookAhead, asked };
};

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('before a takeover on silence', () => {
  it('the link and the server are asked once two of three heartbeats have stayed away, and once only', () => {
    const { lookAhead, asked } = lookingAhead();
    lookAhead.heard();
    vi.advanceTimersByTime(150);
    lookAhead.heard();
    vi.advanceTimersByTime(190);
    expect(asked).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(asked).toEqual(['link', 'server', 'replication']);
    vi.advanceTimersByTime(10_000);
    lookAhead.settled(stateOf());
    lookAhead.settled(stateOf({ role: 'candidate', release: { term: 7, finalPosition: '' } }));
    expect(asked).toEqual(['link', 'server', 'replication']);
  });

  it('what was found is forgotten when the peer is heard again, and asked anew in the next silence', () => {
    const { lookAhead, asked } = lookingAhead();
    lookAhead.heard();
    vi.advanceTimersByTime(LEASE_MS);
    lookAhead.heard();
    lookAhead.heard();
    expect(asked.splice(0).slice(3)).toEqual(['link forgotten', 'server forgotten', 'replication forgotten']);
    vi.advanceTimersByTime(LEASE_MS);
    expect(asked).toEqual(['link', 'server', 'replication']);
  });

  it.each<[string, Seen]>([
    ['this node serves itself', { role: 'active' }],
    ['the peer serves nobody', { peerOwns: false }],
  ])('nothing is asked where %s', (_, standing) => {
    const { lookAhead, asked } = lookingAhead(standing);
    lookAhead.heard();
    vi.advanceTimersByTime(LEASE_MS);
    expect(asked).toEqual([]);
  });
});

describe('as soon as the owner says that its server is dead', () => {
  const left: Seen = { peerOwns: false, peerRole: 'fencing', peerHealth: 'failed' };

  it('the link is asked while the VIP goes off, once; with the votes the logs only', () => {
    const { lookAhead, asked } = lookingAhead();
    lookAhead.settled(stateOf());
    lookAhead.settled(stateOf(left));
    lookAhead.settled(stateOf(left));
    expect(asked).toEqual(['link']);
    lookAhead.heard();
    lookAhead.settled(stateOf({ ...left, role: 'candidate', release: { term: 7, finalPosition: '' } }));
    expect(asked).toEqual(['link', 'logs']);
  });

  it('nothing is asked while an owner fences whose server is well: its final position comes first', () => {
    const { lookAhead, asked } = lookingAhead();
    lookAhead.settled(stateOf({ ...left, peerHealth: 'ok' }));
    expect(asked).toEqual([]);
  });
});

describe('once the peer has released its term', () => {
  const candidate = (seen: Seen) => {
    const { lookAhead, asked } = lookingAhead();
    lookAhead.settled(stateOf());
    lookAhead.settled(stateOf({ role: 'candidate', ...seen }));
    lookAhead.settled(stateOf({ role: 'candidate', ...seen }));
    return asked;
  };

  it('the link is asked while votes are, and the logs of a server that died, once', () => {
    expect(candidate({ release: { term: 7, finalPosition: '' } })).toEqual(['link', 'logs']);
  });

  it('no logs are asked for where it named its final position, or salvage is switched off', () => {
    expect(candidate({ release: { term: 7, finalPosition: 'mariadb:0-1-5' } })).toEqual(['link']);
    expect(candidate({ release: { term: 7, finalPosition: '' }, salvage: false })).toEqual(['link']);
  });

  it('nothing is asked on a word about an older term', () => {
    expect(candidate({ release: { term: 6, finalPosition: '' } })).toEqual([]);
    expect(candidate({})).toEqual([]);
  });
});
