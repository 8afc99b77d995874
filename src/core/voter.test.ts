import { describe, expect, it } from 'vitest';
import { beatOf } from './beat.fixture.js';
import { createVoter, emptyRecord, onBeat, onPersisted, onVote, type VoterState } from './voter.js';

const LEASE_MS = 300;

/** Of a witness that has promised itself to db1, the owner of term 4. */
const RECORD = { ...emptyRecord(), maxTerm: 4, holder: 'db1', servedTerm: 4, maxLeaseMs: LEASE_MS } as const;

const fresh = (): VoterState => ({
  ...createVoter({ name: 'w1', nodes: ['db1', 'db2'], record: RECORD, quorumToLearn: () => false }, 0),
  muteUntil: 0,
});

const BEAT = beatOf({ beat: 17, term: 4, leaseMs: LEASE_MS, dataTerm: 4, servedTerm: 4 });

const vote = { kind: 'vote?', term: 5, dataTerm: 4, leaseMs: LEASE_MS } as const;

/** The owner's BEAT says that semi-sync is off, which has to be written before it is acknowledged. */
const askedToWrite = () => {
  const { voter, effects } = onBeat(fresh(), 'db1', BEAT, 1_000);
  const [write] = effects.filter((effect) => effect.type === 'persist');
  if (write === undefined) throw new Error('nothing is written');
  return { voter, id: write.id };
};

it('a BEAT that tells of its term and asks for a longer lease has both written', () => {
  const { effects } = onBeat(fresh(), 'db1', { ...BEAT, leaseMs: 2 * LEASE_MS }, 1_000);
  expect(effects).toMatchObject([{ type: 'persist', record: { sync: false, maxLeaseMs: 2 * LEASE_MS } }]);
});

it('a BEAT that asks for a shorter lease takes nothing back of what a vote has promised', () => {
  const voted = onVote(fresh(), 'db2', vote, 1_000).voter;
  const renewed = onBeat(voted, 'db2', { ...BEAT, term: 5, leaseMs: LEASE_MS / 3 }, 1_010).voter;
  expect(onVote(renewed, 'db1', { ...vote, term: 6 }, 1_000 + LEASE_MS - 1).effects).toMatchObject([
    { message: { kind: 'vote', verdict: { granted: false, why: 'promised' } } },
  ]);
});

describe('an answer that waits for a slow disk', () => {
  it('promises from when it is given', () => {
    const { voter, id } = askedToWrite();
    const { voter: later, effects } = onPersisted(voter, id, true, 1_200);
    expect(effects).toMatchObject([{ type: 'send', to: 'db1', message: { kind: 'ack', beat: 17 } }]);
    expect(onVote(later, 'db2', vote, 1_400).effects).toMatchObject([
      { message: { kind: 'vote', verdict: { granted: false, why: 'promised' } } },
    ]);
  });

  it('is not given once another has the vote', () => {
    const { voter, id } = askedToWrite();
    const voted = onVote(voter, 'db2', vote, 1_400);
    expect(voted.voter.record).toMatchObject({ maxTerm: 5, holder: 'db2' });
    expect(onPersisted(voted.voter, id, true, 1_500).effects).toEqual([]);
  });
});
