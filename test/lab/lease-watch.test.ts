import { describe, expect, it } from 'vitest';
import { beatOf } from '../../src/core/beat.fixture.js';
import type { Message } from '../../src/core/message.js';
import { createLeaseWatch, type LeaseWatch } from './lease-watch.js';
import type { NodeName } from './topology.js';

const LEASE_MS = 300;
/** `s + L(1−ρ)` for s = 0. */
const COUNTED_MS = 297;

const watchOfThree = (): LeaseWatch => createLeaseWatch({ nodes: ['db1', 'db2'], voters: 3 });

const beat = (term: number, number: number): Message =>
  beatOf({ beat: number, term, leaseMs: LEASE_MS, dataTerm: term, servedTerm: term, sync: true });

const asks = (watch: LeaseWatch, node: NodeName, atMs: number, message: Message): void =>
  watch.frame({ atMs, sender: node, addressee: 'w1', direction: 'in', message });

const acknowledges = (watch: LeaseWatch, node: NodeName, atMs: number, term: number, number: number): void => {
  const message: Message = { kind: 'ack', beat: number, term, leaseMs: LEASE_MS };
  watch.frame({ atMs, sender: 'w1', addressee: node, direction: 'out', message });
};

const renews = (watch: LeaseWatch, node: NodeName, atMs: number, term: number, number: number): void => {
  asks(watch, node, atMs, beat(term, number));
  acknowledges(watch, node, atMs + 1, term, number);
};

const release = (term: number): Message => ({
  kind: 'release',
  term,
  finalPosition: '',
  successor: '',
  reason: '',
  unserved: false,
  servedTerm: term,
  sync: false,
});

const sends = (watch: LeaseWatch, node: NodeName, atMs: number): void =>
  watch.packet({ atMs, node, text: 'tcp 10.99.0.100' });

/** A node that has held the lease for longer than anything before the capture can have lasted. */
const servingWatch = (): LeaseWatch => {
  const watch = watchOfThree();
  for (let number = 0; number <= 10; number += 1) renews(watch, 'db1', number * 100 - 1_000, 1, number);
  return watch;
};

describe('the lease as the wire shows it', () => {
  it('lasts from the first sending of the newest acknowledged BEAT, less the drift of the clocks', () => {
    const watch = servingWatch();
    sends(watch, 'db1', COUNTED_MS);
    expect(watch.report()).toMatchObject({ problems: [], judged: 1 });
    sends(watch, 'db1', COUNTED_MS + 0.5);
    expect(watch.report().problems).toEqual([
      '00:00:00.297 db1 sent tcp 10.99.0.100: 0.5 ms after its lease of term 1 had ended',
    ]);
  });

  it('is not renewed by a resend, nor by a BEAT that nobody acknowledged', () => {
    const watch = servingWatch();
    asks(watch, 'db1', 50, beat(1, 10));
    acknowledges(watch, 'db1', 51, 1, 10);
    asks(watch, 'db1', 100, beat(1, 11));
    sends(watch, 'db1', COUNTED_MS + 1);
    expect(watch.report().problems).toHaveLength(1);
  });

  it('is not renewed by an acknowledgement that was lost on its way to the owner', () => {
    const watch = servingWatch();
    asks(watch, 'db1', 100, beat(1, 11));
    const message: Message = { kind: 'ack', beat: 11, term: 1, leaseMs: LEASE_MS };
    watch.frame({ atMs: 101, sender: 'w1', addressee: 'db1', direction: 'in', message });
    sends(watch, 'db1', COUNTED_MS + 1);
    expect(watch.report().problems).toHaveLength(1);
  });

  it('needs a majority of the voters', () => {
    const watch = createLeaseWatch({ nodes: ['db1', 'db2'], voters: 5 });
    for (let number = 0; number <= 10; number += 1) renews(watch, 'db1', number * 100 - 1_000, 1, number);
    sends(watch, 'db1', 10);
    expect(watch.report().problems).toEqual(['00:00:00.010 db1 sent tcp 10.99.0.100: db1 never had a lease']);
  });

  it('ends with its RELEASE, and a late acknowledgement does not bring it back', () => {
    const watch = servingWatch();
    asks(watch, 'db1', 40, beat(1, 11));
    asks(watch, 'db1', 50, release(1));
    acknowledges(watch, 'db1', 51, 1, 11);
    sends(watch, 'db1', 60);
    expect(watch.report()).toMatchObject({ lost: [], problems: [expect.stringContaining('10.0 ms after its lease')] });
  });

  it('has run out, and was not given up, when the RELEASE follows in its last moments; nothing is sent after that either', () => {
    const watch = servingWatch();
    asks(watch, 'db1', COUNTED_MS - 3, release(1));
    sends(watch, 'db1', COUNTED_MS - 1);
    expect(watch.report()).toMatchObject({
      lost: [{ node: 'db1', term: 1, endMs: COUNTED_MS - 3 }],
      problems: [expect.stringContaining('2.0 ms after its lease')],
    });
  });

  it('is not shared: two nodes that send at one time are found', () => {
    const watch = servingWatch();
    renews(watch, 'db2', 100, 2, 1);
    sends(watch, 'db2', 120);
    expect(watch.report().problems).toEqual(['00:00:00.120 db2 sent tcp 10.99.0.100: within the lease of db1, term 1']);
  });

  it('passes to the next owner once it has run out, and tells when the old one was last heard', () => {
    const watch = servingWatch();
    sends(watch, 'db1', 280);
    renews(watch, 'db2', 350, 2, 1);
    sends(watch, 'db2', 360);
    asks(watch, 'db2', 600, release(2));
    asks(watch, 'db1', 900, release(1));
    renews(watch, 'db1', 1_000, 3, 1);
    expect(watch.report()).toEqual({
      problems: [],
      judged: 2,
      // The new lease of db1 still runs.
      lost: [{ node: 'db1', term: 1, endMs: COUNTED_MS, lastPacketMs: 280 }],
    });
  });
});

describe('what the watch could not judge', () => {
  it('is what came before it can know of a lease', () => {
    const watch = watchOfThree();
    sends(watch, 'db1', 0);
    renews(watch, 'db1', 10, 1, 7);
    sends(watch, 'db1', 10 + LEASE_MS - 1);
    expect(watch.report().judged).toBe(0);
  });

  it('is a problem where it is everything', () => {
    expect(watchOfThree().report().problems).toHaveLength(1);
  });
});
