import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, request } from '../../src/control/client.js';
import { deadlineMs } from './budget.js';
import { hangingBudget, inTime, turn } from './control-under-fire.js';
import { soundRequest } from './requests.js';

const TIMEOUT = { timeout: deadlineMs(60_000) } as const;
/** For a server from which no end comes; with any other, longer than the test. */
const SHORT_MS = 30;
const LONG_MS = 120_000;

/** Texts of replies: sound ones, some with things beside that a later agent may send, and bent ones. */
const sound: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 3, arbitrary: fc.record({ reply: fc.constant('progress'), text: fc.string({ unit: 'binary' }) }) },
    {
      weight: 1,
      arbitrary: fc.record(
        {
          reply: fc.constant('done'),
          ok: fc.boolean(),
          text: fc.string(),
          data: fc.jsonValue(),
          later: fc.jsonValue(),
        },
        { requiredKeys: ['reply', 'ok', 'text'] },
      ),
    },
  )
  .map((reply) => JSON.stringify(reply));
const odd = fc.oneof(fc.constantFrom('null', '1', '-1e400', '"done"', '""', '[]', '{}', 'true', 'NaN', ''), fc.json());
const bent: fc.Arbitrary<string> = fc.oneof(
  fc
    .array(fc.tuple(fc.constantFrom('reply', 'ok', 'text', 'data', '__proto__', 'constructor'), odd), { maxLength: 5 })
    .map((fields) => `{${fields.map(([key, value]) => `"${key}":${value}`).join(',')}}`),
  fc.constantFrom(
    '{"reply":"done"}',
    '{"reply":"done","ok":1,"text":""}',
    '{"reply":"progress","text":null}',
    '[]',
    '',
  ),
  fc.json(),
  fc.nat({ max: 20_000 }).map((depth) => '['.repeat(depth)),
  fc.string({ unit: 'binary' }),
);
const piece: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 8, arbitrary: sound.map((text) => Buffer.from(`${text}\n`)) },
  { weight: 1, arbitrary: bent.map((text) => Buffer.from(`${text}\n`)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((raw) => Buffer.from(raw)) },
);

/** 'drip': bytes that are no end of anything, for ever. */
const ENDINGS = ['end', 'break', 'silence', 'drip'] as const;

interface Script {
  /** 'asked': once the request has come; else it talks to whoever connects. */
  readonly from: 'connection' | 'asked';
  readonly says: readonly Buffer[];
  /** Where what it says is parted into writes. */
  readonly cuts: readonly number[];
  readonly ending: (typeof ENDINGS)[number];
}

const script: fc.Arbitrary<Script> = fc.record({
  from: fc.constantFrom('connection', 'asked', 'asked'),
  says: fc.array(piece, { maxLength: 5 }),
  cuts: fc.array(fc.nat({ max: 300 }), { maxLength: 5 }),
  ending: fc.constantFrom(...ENDINGS),
});

const play = async (socket: Socket, { says, cuts, ending }: Script): Promise<void> => {
  const bytes = Buffer.concat(says);
  const places = [0, ...cuts.toSorted((a, b) => a - b)];
  for (const [i, from] of places.entries()) {
    socket.write(bytes.subarray(from, places[i + 1]));
    await turn();
  }
  if (ending === 'end') socket.end();
  if (ending === 'break') socket.destroy();
  if (ending !== 'drip') return;
  const drip = setInterval(() => socket.write(' '), 1);
  socket.once('close', () => clearInterval(drip));
};

interface Expected {
  readonly progress: readonly string[];
  /** Null: what was said is no reply; undefined: it did not come to an end. */
  readonly answer: Answer | null | undefined;
}

/** What a client has to make of these bytes, by an account of its own. */
const understand = (bytes: Buffer): Expected => {
  const progress: string[] = [];
  let from = 0;
  for (let at = bytes.indexOf('\n'); at !== -1; at = bytes.indexOf('\n', from)) {
    const said = replyIn(bytes.subarray(from, at));
    from = at + 1;
    if (said.reply === 'progress' && typeof said.text === 'string') progress.push(said.text);
    else if (said.reply === 'done' && typeof said.ok === 'boolean' && typeof said.text === 'string')
      return { progress, answer: { kind: 'done', ok: said.ok, text: said.text, data: said.data } };
    else return { progress, answer: null };
  }
  return { progress, answer: undefined };
};

const replyIn = (line: Buffer): Readonly<Record<string, unknown>> => {
  try {
    const said: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
    return typeof said === 'object' && said !== null ? Object.fromEntries(Object.entries(said)) : {};
  } catch {
    return {};
  }
};

/** Why there is no answer, by how it came to none. */
const WHY = {
  end: /closed the connection without an answer; ./,
  break: /(closed the connection without an answer|broke off: .+); ./,
  silence: /has not answered for 0\.03 s/,
  drip: /has not answered for 0\.03 s/,
} as const satisfies Record<Script['ending'], RegExp>;

describe('vipctl, with a server against it', () => {
  let path = '';
  let directory = '';
  let server: Server;
  let serve: (socket: Socket) => void = () => undefined;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'vipd-fuzz-'));
    path = join(directory, 'c.sock');
    server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  it('has its answer, or says why there is none, as soon as either is known', TIMEOUT, async () => {
    const seen: Record<string, number> = {};
    await fc.assert(
      fc.asyncProperty(soundRequest, script, async (asked, given) => {
        serve = (socket) => {
          if (given.from === 'asked') socket.once('data', () => void play(socket, given));
          else void play(socket.resume(), given);
        };
        const expected = understand(Buffer.concat(given.says));
        const endless = expected.answer === undefined && (given.ending === 'silence' || given.ending === 'drip');
        const progress: string[] = [];
        const answer = await inTime(
          'a request',
          request(path, asked, {
            timeoutMs: endless ? SHORT_MS : LONG_MS,
            onProgress: (text) => progress.push(text),
          }),
        );
        seen[answer.kind] = (seen[answer.kind] ?? 0) + 1;
        // What it said before it broke off, or before a short wait was over, may not have been heard.
        const heardOut = given.ending !== 'break' && !endless;
        expect(progress).toEqual(heardOut ? expected.progress : expected.progress.slice(0, progress.length));
        if (answer.kind === 'done') {
          expect(answer).toEqual(expected.answer);
          return;
        }
        expect(answer.kind).toBe('no-agent');
        expect(answer.text).toContain(path);
        if (given.ending === 'break' && WHY.break.test(answer.text)) return;
        expect(expected.answer ?? null).toBeNull();
        expect(answer.text).toMatch(expected.answer === null ? /is no vipd agent: ./ : WHY[given.ending]);
      }),
      hangingBudget(300),
    );
    expect(Math.min(seen.done ?? 0, seen['no-agent'] ?? 0)).toBeGreaterThan(30);
  });

  it('gives up one whose line has no end', TIMEOUT, async () => {
    serve = (socket) => {
      const pump = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024, ' ')));
      };
      socket.on('drain', pump);
      pump();
    };
    const answer = await inTime('a request', request(path, { request: 'status' }, { timeoutMs: LONG_MS }));
    expect(answer).toMatchObject({
      kind: 'no-agent',
      text: expect.stringMatching(/ is longer than 16777216 bytes; ./),
    });
  });
});
