/** What counts, whatever the network does: restarts, losses, copies, reorderings, and the replay of all that was ever sent. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLink, type Link, type Opened } from './link.js';
import { HELLO_BURST, HELLO_REFILL_MS, HELLO_WINDOW_FRAMES } from './session.js';

type Name = 'a' | 'b';
const NAMES = ['a', 'b'] as const;
const KEYS = [Buffer.alloc(32, 'key')];
const other = (name: Name): Name => (name === 'a' ? 'b' : 'a');

interface Host {
  link: Link;
  /** Frames with a lower number were sealed before this host's present life. */
  bornAt: number;
  /** Number of the last frame that counted here, in any life. */
  lastCounted: number;
  counted: number;
}

interface Recorded {
  readonly to: Name;
  readonly datagram: Buffer;
}

/** Two hosts, and a network that keeps all it has ever carried. Messages are numbered by one counter over all lives. */
class World {
  readonly recorded: Recorded[] = [];
  readonly hosts: Record<Name, Host>;
  nowMs = 0;
  #numbers = 0;
  #random = 0;

  constructor() {
    this.hosts = { a: this.#host('a', 0), b: this.#host('b', 0) };
  }

  restart(name: Name): void {
    this.hosts[name] = this.#host(name, this.hosts[name].lastCounted);
  }

  send(from: Name): Recorded {
    const to = other(from);
    this.#numbers += 1;
    const datagram = this.hosts[from].link.seal(to, { kind: 'ack', beat: this.#numbers, term: 1, leaseMs: 300 });
    if (datagram === null) throw new Error('a good message was not sealed');
    return this.#carry(to, datagram);
  }

  /** Checks what the whole of session.ts is for. A HELLO goes on the network and nowhere else. */
  deliver({ to, datagram }: Recorded): Opened & { readonly hello?: Recorded } {
    const host = this.hosts[to];
    this.nowMs += HELLO_REFILL_MS;
    const opened = host.link.open(datagram);
    if (opened.type === 'hello') return { ...opened, hello: this.#carry(other(to), opened.datagram) };
    if (opened.type !== 'message' || opened.message.kind !== 'ack') return opened;
    const { beat } = opened.message;
    // Neither from before this life...
    expect(beat).toBeGreaterThan(host.bornAt);
    // ...nor a second time, nor from an earlier life of the peer than one that counted: their numbers are all lower.
    expect(beat).toBeGreaterThan(host.lastCounted);
    host.lastCounted = beat;
    host.counted += 1;
    return opened;
  }

  /** Delivers, brings the HELLO back, and sends again what was greeted. */
  exchange(recorded: Recorded): void {
    const { hello } = this.deliver(recorded);
    if (hello !== undefined && this.deliver(hello).type === 'greeted') this.deliver(this.send(hello.to));
  }

  #carry(to: Name, datagram: Buffer): Recorded {
    const recorded = { to, datagram };
    this.recorded.push(recorded);
    return recorded;
  }

  #host(name: Name, lastCounted: number): Host {
    const link = createLink({
      group: 'g',
      self: name,
      peers: [other(name)],
      keys: KEYS,
      randomBytes: (n) => {
        this.#random += 1;
        return createHash('sha256').update(String(this.#random)).digest().subarray(0, n);
      },
      nowMs: () => this.nowMs,
    });
    return { link, bornAt: this.#numbers, lastCounted, counted: 0 };
  }
}

type Action =
  | { readonly type: 'restart'; readonly name: Name }
  | { readonly type: 'send'; readonly name: Name }
  /** How far back in what was recorded. */
  | { readonly type: 'deliver'; readonly back: number }
  | { readonly type: 'exchange'; readonly back: number };

const name = fc.constantFrom(...NAMES);
const back = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat() });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), name }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('send' as const), name }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('deliver' as const), back }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('exchange' as const), back }) },
);
const chaos = fc.array(action, { maxLength: 120, size: 'max' });

const play = (world: World, actions: readonly Action[]): void => {
  for (const step of actions) {
    if (step.type === 'restart') world.restart(step.name);
    else if (step.type === 'send') world.send(step.name);
    else {
      const recorded = world.recorded.at(-1 - (step.back % Math.max(1, world.recorded.length)));
      if (recorded !== undefined) world[step.type](recorded);
    }
  }
};

describe('sessions', () => {
  it('let no frame count twice, from an earlier life, or out of order, whatever is replayed', () => {
    fc.assert(
      fc.property(chaos, (actions) => {
        const world = new World();
        play(world, actions);
        for (const recorded of [...world.recorded]) world.deliver(recorded);
        for (const recorded of [...world.recorded].reverse()) world.deliver(recorded);
      }),
      { numRuns: 300 },
    );
  });

  it('let the third frame count at the latest, from any state, where no frame is lost', () => {
    fc.assert(
      fc.property(chaos, name, (actions, from) => {
        const world = new World();
        play(world, actions);
        for (let frame = 1; ; frame++) {
          const { type, hello } = world.deliver(world.send(from));
          if (type === 'message') break;
          expect(frame).toBeLessThan(3);
          if (hello !== undefined) world.deliver(hello);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('bring both sides to terms within four rounds when they speak at once, and then need no HELLO any more', () => {
    fc.assert(
      fc.property(chaos, fc.subarray([...NAMES]), (actions, restarted) => {
        const world = new World();
        play(world, actions);
        for (const host of restarted) world.restart(host);
        const rounds = Array.from({ length: 8 }, () => {
          const frames = NAMES.map((from) => world.send(from));
          const opened = frames.map((frame) => world.deliver(frame));
          for (const { hello } of opened) if (hello !== undefined) world.deliver(hello);
          return opened.map(({ type }) => type);
        });
        for (const round of rounds.slice(4)) expect(round).toEqual(['message', 'message']);
      }),
      { numRuns: 300 },
    );
  });

  it('bring both sides to terms while everything ever recorded is replayed between their frames', () => {
    fc.assert(
      fc.property(chaos, (actions) => {
        const world = new World();
        play(world, actions);
        const past = [...world.recorded];
        for (const host of NAMES) world.hosts[host].counted = 0;
        for (let round = 0; round < 6; round++) {
          for (const from of NAMES) {
            for (const recorded of past) world.deliver(recorded);
            world.exchange(world.send(from));
          }
        }
        const counted = NAMES.map((host) => world.hosts[host].counted);
        for (const host of NAMES) expect(world.deliver(world.send(host)).type).toBe('message');
        for (const frames of counted) expect(frames).toBeGreaterThan(2);
      }),
      { numRuns: 100 },
    );
  });
});

describe('after both restart at once', () => {
  // What takes longer on the way than the time between two frames crosses with its own answer: here a rule by which each
  // side's new session is a reason for the other's would never end.
  it('HELLOs end, however long frames take and in whatever order they come', () => {
    const delays = fc.array(fc.nat(6), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(delays, fc.nat(8), fc.nat(8), (jitter, base, apart) => {
        const world = new World();
        const arrivals = new Map<number, Recorded[]>();
        let posted = 0;
        const post = (round: number, recorded: Recorded): void => {
          const due = round + 1 + base + (jitter[posted++ % jitter.length] ?? 0);
          arrivals.set(due, [...(arrivals.get(due) ?? []), recorded]);
        };
        const turn = (round: number): readonly string[] => {
          for (const from of NAMES) post(round, world.send(from));
          return (arrivals.get(round) ?? []).map((recorded) => {
            const { type, hello } = world.deliver(recorded);
            if (hello !== undefined) post(round, hello);
            return type;
          });
        };
        const settledAfter = 6 * (1 + base + 6);
        const restartAt = settledAfter;
        for (let round = 0; round < restartAt + apart + 2 * settledAfter; round++) {
          if (round === restartAt) world.restart('a');
          if (round === restartAt + apart) world.restart('b');
          const types = turn(round);
          if (round >= restartAt + apart + settledAfter) expect(types).not.toContain('hello');
        }
      }),
    );
  });

  it('one HELLO each is enough', () => {
    const world = new World();
    for (const from of NAMES) world.exchange(world.send(from));
    for (const host of NAMES) world.restart(host);
    const first = NAMES.map((from) => world.deliver(world.send(from)));
    expect(first.map(({ type }) => type)).toEqual(['hello', 'hello']);
    const greeted = first.map(({ hello }) => (hello === undefined ? 'none' : world.deliver(hello).type));
    expect(greeted).toEqual(['greeted', 'greeted']);
    expect(NAMES.map((from) => world.deliver(world.send(from)).type)).toEqual(['message', 'message']);
  });
});

describe('after one restarts', () => {
  it('frames of its earlier life count no more once the new one was heard', () => {
    const world = new World();
    for (const from of NAMES) world.exchange(world.send(from));
    const withheld = world.send('a');
    world.restart('a');
    for (let i = 0; i < 3; i++) world.exchange(world.send('a'));
    expect(world.hosts.b.counted).toBeGreaterThan(1);
    expect(world.deliver(withheld).type).toBe('hello');
    expect(world.deliver(world.send('a')).type).toBe('message');
  });

  it('frames of its earlier life count no more once a HELLO of the new one was heard', () => {
    const world = new World();
    for (const from of NAMES) world.exchange(world.send(from));
    world.exchange(world.send('a'));
    const withheld = world.send('a');
    world.restart('a');
    const { hello } = world.deliver(world.send('b'));
    expect(hello && world.deliver(hello).type).toBe('greeted');
    expect(world.deliver(withheld).type).toBe('hello');
  });

  it('a delayed frame of a life in between costs one more HELLO, and does not count', () => {
    const world = new World();
    world.exchange(world.send('a'));
    world.restart('a');
    const { hello } = world.deliver(world.send('a'));
    if (hello !== undefined) world.deliver(hello);
    const between = world.send('a');
    world.restart('a');
    for (let i = 0; i < 3; i++) world.exchange(world.send('a'));
    expect(world.deliver(between).type).toBe('hello');
    world.exchange(world.send('a'));
    expect(world.deliver(world.send('a')).type).toBe('message');
  });
});

describe('a HELLO', () => {
  it('that answers nothing we sent is dropped', () => {
    const world = new World();
    const { hello } = world.deliver(world.send('a'));
    world.restart('a');
    for (let i = 0; i < 3; i++) world.send('a');
    expect(hello && world.deliver(hello)).toMatchObject({ type: 'dropped', cause: 'hello-unasked' });
  });

  it('counts once, and not after one that answers a later frame', () => {
    const world = new World();
    const [early, late] = [world.send('a'), world.send('a')].map((frame) => world.deliver(frame).hello);
    if (early === undefined || late === undefined) throw new Error('no HELLO');
    expect(world.deliver(late)).toMatchObject({ type: 'greeted' });
    expect(world.deliver(late)).toMatchObject({ type: 'dropped', cause: 'hello-unasked' });
    expect(world.deliver(early)).toMatchObject({ type: 'dropped', cause: 'hello-unasked' });
  });

  it('that comes too many frames later is dropped', () => {
    const world = new World();
    const { hello } = world.deliver(world.send('a'));
    for (let i = 0; i < HELLO_WINDOW_FRAMES; i++) world.send('a');
    expect(hello && world.deliver(hello)).toMatchObject({ type: 'dropped', cause: 'hello-unasked' });
  });

  it('is never answered, and takes no part in what counts', () => {
    const world = new World();
    const { hello } = world.deliver(world.send('a'));
    if (hello === undefined) throw new Error('no HELLO');
    world.restart('a');
    for (let i = 0; i < 3; i++) expect(world.deliver(hello).type).toBe('dropped');
    world.exchange(world.send('b'));
    expect(world.deliver(world.send('b')).type).toBe('message');
  });

  it('is sent to one peer no oftener than its limit', () => {
    const world = new World();
    const frames = Array.from({ length: HELLO_BURST + 5 }, () => world.send('a'));
    const { link } = world.hosts.b;
    expect(frames.map(({ datagram }) => link.open(datagram).type)).toEqual([
      ...Array.from({ length: HELLO_BURST }, () => 'hello'),
      ...Array.from({ length: 5 }, () => 'dropped'),
    ]);
    expect(link.counters).toMatchObject({ hello: HELLO_BURST, 'hello-limit': 5 });
    world.nowMs += HELLO_REFILL_MS;
    expect(frames.slice(0, 2).map(({ datagram }) => link.open(datagram).type)).toEqual(['hello', 'dropped']);
  });
});
