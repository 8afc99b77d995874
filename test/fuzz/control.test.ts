import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { request } from '../../src/control/client.js';
import { createLineSplitter } from '../../src/control/lines.js';
import { encodeLine, MAX_REQUEST_BYTES, type Reply } from '../../src/control/protocol.js';
import { type ControlServerOptions, createControlServer, MAX_CONNECTIONS } from '../../src/control/server.js';
import { allWell } from '../../src/control/status.fixture.js';
import { budget, createRandom, deadlineMs, FUZZ_SEED, runs } from './budget.js';
import {
  answerTo,
  anyMood,
  askInTurn,
  type ControlUnderFire,
  createControlUnderFire,
  type Ending,
  effectsOf,
  GOOD_MOOD,
  hangingBudget,
  inTime,
  type Mood,
  talk,
  turn,
  watchConnections,
} from './control-under-fire.js';
import { usedBytes } from './memory.js';
import { anyLine, BENT_FIELDS, readRequest, soundRequest } from './requests.js';

const TIMEOUT = { timeout: deadlineMs(60_000) } as const;
const RAW_CONVERSATIONS = 3_000;
/** Far above what a garbage collector leaves lying about, far below a leak of a few kilobytes a connection. */
const GROWTH_LIMIT_BYTES = 4_000_000;
/** Those that are told that there are too many: as many again. */
const CONNECTIONS_LIMIT = 2 * MAX_CONNECTIONS;

/** Why a connection is ended, and which lines it may be said of. */
const REFUSALS: readonly { readonly why: RegExp; readonly fits: (line: Buffer, nth: number, of: number) => boolean }[] =
  [
    { why: /^the request is not one line of JSON: (malformed JSON|not UTF-8)$/, fits: (line) => !readRequest(line) },
    { why: /^not a request that this agent understands: ./, fits: (line) => !readRequest(line) },
    { why: /^a request has at most 65536 bytes$/, fits: (line) => line.length > MAX_REQUEST_BYTES },
    { why: /^one request at a time: wait for each answer$/, fits: (_line, _nth, of) => of > 1 },
  ];

interface Conversation {
  readonly lines: readonly Buffer[];
  /** What comes after the last newline. */
  readonly rest: Buffer;
  /** Where the bytes are parted into writes. */
  readonly cuts: readonly number[];
  /** A client that goes away has sent so many bytes. */
  readonly breakAt: number;
  readonly ending: Ending;
}

const cuts = fc.oneof(
  fc.array(fc.nat({ max: 200 }), { maxLength: 6 }),
  fc.array(fc.nat({ max: 3 * MAX_REQUEST_BYTES }), { maxLength: 6 }),
  fc.constant(Array.from({ length: 100 }, (_, at) => at)),
);

const conversation: fc.Arbitrary<Conversation> = fc.record({
  lines: fc.oneof(
    { weight: 3, arbitrary: anyLine.map((line) => [line]) },
    { weight: 1, arbitrary: fc.array(anyLine, { maxLength: 4 }) },
  ),
  rest: fc.oneof({ weight: 3, arbitrary: fc.constant(Buffer.alloc(0)) }, { weight: 1, arbitrary: anyLine }),
  cuts,
  breakAt: fc.oneof(fc.nat({ max: 150 }), fc.nat({ max: 3 * MAX_REQUEST_BYTES })),
  ending: fc.constantFrom('half-close', 'half-close', 'break', 'dawdle'),
});

const split = (bytes: Buffer, at: readonly number[]): readonly Buffer[] => {
  const places = [...new Set([0, ...at.filter((one) => one < bytes.length)])].toSorted((a, b) => a - b);
  return places.map((from, i) => bytes.subarray(from, places[i + 1]));
};

const NEWLINE = Buffer.from('\n');
const bytesOf = ({ lines, rest, breakAt, ending }: Conversation): Buffer => {
  const whole = Buffer.concat([...lines.flatMap((line) => [line, NEWLINE]), rest]);
  return ending === 'half-close' ? whole : whole.subarray(0, breakAt);
};

/** The answers in a server's words. Throws where a line is none of the protocol's. */
const answersIn = (heard: string): readonly Extract<Reply, { reply: 'done' }>[] =>
  heard
    .split('\n')
    .slice(0, -1)
    .map((line): Reply => JSON.parse(line))
    .filter((reply) => {
      expect(['progress', 'done']).toContain(reply.reply);
      expect(reply.text).toBeTypeOf('string');
      return reply.reply === 'done';
    }) as Extract<Reply, { reply: 'done' }>[];

/** Each line is answered once, in order, until one that is refused, for a reason that it gives. Returns how many were. */
const judgeAnswers = (said: readonly Buffer[], heard: string, now: Mood, whole: boolean): number => {
  const answers = answersIn(heard);
  const last = answers.at(-1);
  const refusal = last && !last.ok ? REFUSALS.find(({ why }) => why.test(last.text)) : undefined;
  const answered = refusal ? answers.slice(0, -1) : answers;
  for (const [i, answer] of answered.entries()) {
    const asked = said[i] && readRequest(said[i]);
    if (!asked) throw new Error(`an answer to no request: ${JSON.stringify(answer)}`);
    const { ok, text, data } = answerTo(asked, now);
    expect(answer.ok).toBe(ok);
    expect(answer.text).toContain(text);
    expect(answer.data).toEqual(data);
  }
  if (refusal) expect(said.some((line, nth) => refusal.fits(line, nth, said.length))).toBe(true);
  else if (whole) expect(answered).toHaveLength(said.length);
  return answered.length;
};

/** What reached the agent is what the first lines ask for, as far as all of them are sound, and at least what was answered. */
const judgeEffects = (said: readonly Buffer[], effects: readonly string[], answered: number): void => {
  const asked = said.map(readRequest);
  const sound = asked.slice(0, asked.includes(null) ? asked.indexOf(null) : asked.length);
  const wanted = sound.map((one) => (one ? effectsOf(one) : []));
  expect(effects).toEqual(wanted.flat().slice(0, effects.length));
  expect(effects.length).toBeGreaterThanOrEqual(wanted.slice(0, answered).flat().length);
};

const expectServing = async (fire: ControlUnderFire): Promise<void> => {
  fire.begin(GOOD_MOOD);
  const answer = await inTime('a status', request(fire.path, { request: 'status' }, { timeoutMs: 10_000 }));
  expect(answer).toEqual({ kind: 'done', ok: true, text: '', data: JSON.parse(JSON.stringify(allWell)) });
};

/** The lines that a server makes of these bytes: it takes an unfinished one for a request where the client has ended. */
const linesOf = (bytes: Buffer, ending: Ending): readonly Buffer[] => {
  const lines: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
    lines.push(bytes.subarray(from, at));
    from = at + 1;
  }
  const rest = bytes.subarray(from);
  // Who breaks off has ended as well, but not before all was read.
  return rest.length > 0 || ending !== 'half-close' ? [...lines, rest] : lines;
};

describe('the control socket', () => {
  let fire: ControlUnderFire;
  beforeAll(async () => {
    fire = await createControlUnderFire();
  });
  afterAll(() => fire.close());

  /** One client's doings; returns how many lines were answered. */
  const hold = async (bytes: Buffer, at: readonly number[], ending: Ending, now: Mood): Promise<number> => {
    fire.begin(now);
    const said = linesOf(bytes, ending);
    const heard = await inTime('a conversation', talk(fire.path, split(bytes, at), ending));
    await fire.settle();
    const answered = judgeAnswers(said, heard, now, ending === 'half-close');
    judgeEffects(said, fire.effects(), answered);
    return answered;
  };

  it('answers each line once or says what is wrong with it, and nothing else gets through', TIMEOUT, async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(conversation, anyMood, async (given, now) => {
        answered += await hold(bytesOf(given), given.cuts, given.ending, now);
        await expectServing(fire);
        await fire.settle();
      }),
      hangingBudget(800),
    );
    expect(answered).toBeGreaterThan(80);
  });

  it('tells each wrong field of each request', TIMEOUT, async () => {
    let sound = 0;
    for (const text of BENT_FIELDS) {
      const line = Buffer.from(`${text}\n`);
      try {
        sound += await hold(line, [], 'half-close', GOOD_MOOD);
      } catch (cause) {
        throw new Error(text, { cause });
      }
    }
    expect(sound).toBeGreaterThan(10);
    expect(sound).toBeLessThan(BENT_FIELDS.length / 2);
  });

  it('answers a sound request alike however it is cut', TIMEOUT, async () => {
    await fc.assert(
      fc.asyncProperty(soundRequest, cuts, anyMood, fc.boolean(), async (sound, at, now, newline) => {
        const bytes = Buffer.from(encodeLine(sound)).subarray(0, newline ? undefined : -1);
        fire.begin(now);
        const whole = await inTime('a request', talk(fire.path, [bytes], 'half-close'));
        const inPieces = await inTime('a request in pieces', talk(fire.path, split(bytes, at), 'half-close'));
        expect(inPieces).toBe(whole);
        expect(await hold(bytes, at, 'half-close', now)).toBe(1);
      }),
      hangingBudget(200),
    );
  });

  it('answers one request after the other on one connection', TIMEOUT, async () => {
    const asked = fc.array(fc.tuple(soundRequest, cuts), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(asked, anyMood, async (given, now) => {
        fire.begin(now);
        const said = given.map(([sound]) => Buffer.from(encodeLine(sound)));
        const pieces = said.map((bytes, i) => split(bytes, given[i]?.[1] ?? []));
        const heard = await inTime('a conversation', askInTurn(fire.path, pieces));
        await fire.settle();
        expect(judgeAnswers(said, heard, now, true)).toBe(said.length);
        judgeEffects(said, fire.effects(), said.length);
      }),
      hangingBudget(200),
    );
  });

  it('withstands raw noise from crowds, and is no larger afterwards', TIMEOUT, async () => {
    const random = createRandom(FUZZ_SEED);
    const pool = fc.sample(conversation, { numRuns: 500, seed: FUZZ_SEED });
    const endings = ['half-close', 'break', 'dawdle'] as const;
    /** Some bytes changed, anywhere: newlines too. */
    const bend = (bytes: Buffer): Buffer => {
      const bent = Buffer.from(bytes);
      for (let i = random(4); i > 0 && bent.length > 0; i -= 1) bent[random(bent.length)] = random(256);
      return bent;
    };
    const noise = (): Buffer => Buffer.from(Array.from({ length: random(400) }, () => random(256)));
    const one = async (): Promise<readonly string[]> => {
      const drawn = pool[random(pool.length)];
      const bytes = random(4) === 0 || !drawn ? noise() : bend(bytesOf(drawn));
      const ending = endings[random(endings.length)] ?? 'break';
      // Empty pieces are turns in which it only has its place.
      const waits = Array.from({ length: random(40) }, () => Buffer.alloc(0));
      const pieces = [...waits, ...split(bytes, [random(100), random(100)])];
      answersIn(await inTime('a conversation', talk(fire.path, pieces, ending)));
      return linesOf(bytes, ending).flatMap((line) => {
        const asked = readRequest(line);
        return asked ? effectsOf(asked) : [];
      });
    };
    const crowds = async (conversations: number): Promise<void> => {
      for (let held = 0; held < conversations; ) {
        const size = 1 + random(CONNECTIONS_LIMIT);
        held += size;
        fire.begin({ turns: random(3), progress: random(3), parts: random(4) === 0 ? 'reject' : 'work' });
        const asked = await Promise.all(Array.from({ length: size }, one));
        await fire.settle();
        // Whose they are is not known: each has to be somebody's.
        const left = asked.flat();
        for (const effect of fire.effects()) {
          expect(left).toContain(effect);
          left.splice(left.indexOf(effect), 1);
        }
        await expectServing(fire);
        await fire.settle();
      }
    };
    try {
      await crowds(RAW_CONVERSATIONS / 3);
      const before = usedBytes();
      await crowds(runs(RAW_CONVERSATIONS));
      expect(usedBytes() - before).toBeLessThan(GROWTH_LIMIT_BYTES);
      // Else nobody was refused.
      expect(fire.connections.most()).toBeGreaterThan(MAX_CONNECTIONS);
    } catch (cause) {
      throw new Error(`VIPD_FUZZ_SEED=${FUZZ_SEED}`, { cause });
    }
  });
});

/** What a client can do to keep its place. */
const MANNERS = {
  silent: () => undefined,
  halfway: (socket) => void socket.write('{"request":'),
  dripping: (socket) => {
    const drip = setInterval(() => socket.write(' '), 1);
    socket.once('close', () => clearInterval(drip));
  },
  unreading: (socket) => void socket.pause().write(encodeLine({ request: 'status' })),
  'half-closed and unreading': (socket) => void socket.pause().end(encodeLine({ request: 'status' })),
  'refused and staying': (socket) => void socket.pause().write('no request\n'),
} as const satisfies Readonly<Record<string, (socket: Socket) => void>>;

it('no client keeps a place for long, whatever it leaves undone', TIMEOUT, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-fuzz-'));
  const path = join(directory, 'c.sock');
  // More than the kernel takes for a client that does not read, less than what cuts it off at once, and after its end.
  const handle: ControlServerOptions['handle'] = (_asked, reply) =>
    void setTimeout(() => reply.done(true, 'x'.repeat(1_000_000)), 5);
  const server = await createControlServer({ path, group: 'root', handle, warn: () => undefined, requestWaitMs: 30 });
  const manners = fc.array(fc.constantFrom(...(Object.keys(MANNERS) as (keyof typeof MANNERS)[])), {
    minLength: CONNECTIONS_LIMIT + 8,
    maxLength: CONNECTIONS_LIMIT + 8,
  });
  try {
    await fc.assert(
      fc.asyncProperty(manners, async (drawn) => {
        const connections = watchConnections();
        const clients = drawn.map((manner) => {
          const socket = createConnection({ path, allowHalfOpen: true });
          socket.on('error', () => undefined).once('connect', () => MANNERS[manner](socket));
          return socket;
        });
        try {
          await Promise.all(clients.map((socket) => once(socket, 'connect')));
          await turn();
          await connections.allClosed();
          expect(connections.most()).toBeLessThanOrEqual(CONNECTIONS_LIMIT);
        } finally {
          for (const socket of clients) socket.destroy();
          connections.cutAll();
          connections.stop();
        }
      }),
      hangingBudget(3),
    );
  } finally {
    await server.close();
    rmSync(directory, { recursive: true });
  }
});

describe('a splitter', () => {
  it('makes the same lines of pieces as of the whole', TIMEOUT, () => {
    const text = fc.array(fc.constantFrom(NEWLINE, ...[1, 2, 5, 9, 17].map((n) => Buffer.alloc(n, 'x'))));
    fc.assert(
      fc.property(
        text,
        fc.array(fc.nat({ max: 200 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 40 }),
        (parts, at, max) => {
          const bytes = Buffer.concat(parts);
          const splitter = createLineSplitter(max);
          const pushed = split(bytes, at).map((piece) => splitter.push(piece));
          const lines = bytes.toString().split('\n');
          expect(pushed.includes(null)).toBe(lines.some((line) => line.length > max));
          if (pushed.includes(null)) return;
          expect([...pushed.flatMap((some) => some ?? []), splitter.rest()].map(String)).toEqual(lines);
        },
      ),
      budget(500),
    );
  });

  it('takes no more room for a line that comes byte by byte', TIMEOUT, () => {
    const random = createRandom(FUZZ_SEED);
    const splitter = createLineSplitter(MAX_REQUEST_BYTES);
    const before = usedBytes();
    for (let at = 0; at < MAX_REQUEST_BYTES - 3; ) {
      const piece = Buffer.from('xyz'.slice(random(3)));
      expect(splitter.push(piece)).toEqual([]);
      at += piece.length;
    }
    expect(usedBytes() - before).toBeLessThan(10 * MAX_REQUEST_BYTES);
    expect(splitter.rest().length).toBeGreaterThan(MAX_REQUEST_BYTES - 10);
  });
});
