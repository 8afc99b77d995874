import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConfigFixture, createConfigFixture, KEY_HEX } from '../../src/config/config.fixture.js';
import { loadConfig, loadWitnessConfig } from '../../src/config/load.js';
import { CredentialsError, parseCredentials } from '../../src/config/login.js';
import { renderErrors } from '../../src/config/problem.js';
import { emptyRecord } from '../../src/core/voter.js';
import { createJournal } from '../../src/host/journal.js';
import { createRecordStore } from '../../src/host/store.js';
import { parseKey } from '../../src/wire/authenticate.js';
import { budget, deadlineMs } from './budget.js';
import { record } from './events.js';

const TIMEOUT = { timeout: deadlineMs(30_000) } as const;

/** What editors, copies and full disks make of a text: cut, doubled, and with things in it that nobody wrote. */
const mangled = (texts: readonly string[]): fc.Arbitrary<Buffer> => {
  const strange = fc.oneof(
    fc.constantFrom(
      '\t',
      '\0',
      '\ufeff',
      '- ',
      ': ',
      '{',
      '[',
      '&a ',
      '*a',
      '!!js/function ',
      '<<: ',
      '"',
      "'",
      '\r',
      '|',
      '#',
    ),
    fc.constantFrom(
      '~',
      'null',
      '-1',
      '1e999',
      '0x10',
      '.nan',
      '2024-01-01',
      'true',
      '__proto__',
      'constructor',
      '100',
      '1ms',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  const change = fc.record({ at: fc.nat({ max: 1_200 }), length: fc.nat({ max: 30 }), put: strange });
  const text = fc
    .tuple(fc.constantFrom(...texts), fc.array(change, { maxLength: 4 }))
    .map(([whole, changes]) =>
      Buffer.from(changes.reduce((now, { at, length, put }) => now.slice(0, at) + put + now.slice(at + length), whole)),
    );
  const bytes = fc.uint8Array({ maxLength: 400 }).map((raw) => Buffer.from(raw));
  return fc.oneof({ weight: 6, arbitrary: text }, { weight: 1, arbitrary: bytes });
};

describe('a configuration', () => {
  let fixture: ConfigFixture;
  beforeAll(() => {
    fixture = createConfigFixture();
  });
  afterAll(() => fixture.remove());

  it('is loaded, or refused with a place and a remedy, whatever it is; and no refusal tells the key', TIMEOUT, () => {
    let refused = 0;
    fc.assert(
      fc.property(mangled([fixture.agentYaml, fixture.witnessYaml]), (content) => {
        const path = fixture.write('fuzzed.yaml', content);
        for (const load of [loadConfig, loadWitnessConfig]) {
          const loaded = load(path, { hostName: 'db1' });
          if (loaded.ok) continue;
          refused += 1;
          expect(loaded.errors.length).toBeGreaterThan(0);
          for (const error of loaded.errors) {
            expect(error.message).not.toBe('');
            expect(error.hint).not.toBe('');
          }
          const told = renderErrors(loaded.errors);
          expect(told.split('\n')).toHaveLength(loaded.errors.length);
          expect(told).not.toContain(KEY_HEX);
        }
      }),
      budget(150),
    );
    expect(refused).toBeGreaterThan(40);
  });

  it('has a key file that is read, or refused without a word of it', TIMEOUT, () => {
    const base = [`${KEY_HEX}\n`, `${Buffer.from(KEY_HEX, 'hex').toString('base64')}\n`];
    fc.assert(
      fc.property(mangled(base), (content) => {
        const text = content.toString('latin1');
        try {
          expect(parseKey(text, '/etc/vipd/key').length).toBeGreaterThanOrEqual(32);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          if (text.trim().length > 8) expect(String(error)).not.toContain(text.trim());
        }
      }),
      budget(2_000),
    );
  });

  it('has a login file that is read, or refused without its password', TIMEOUT, () => {
    const base = ['[client]\nuser = vipd\npassword = "s3cret-s3cret"\nssl-ca=/etc/ca.pem\n'];
    fc.assert(
      fc.property(mangled(base), (content) => {
        try {
          expect(parseCredentials(content.toString('utf8'), '/etc/vipd/mysql.cnf').user).not.toBe('');
        } catch (error) {
          if (error instanceof CredentialsError) expect(error.message).not.toContain('s3cret');
          else throw error;
        }
      }),
      budget(2_000),
    );
  });
});

describe('a state directory', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'vipd-fuzz-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('gives back the record that was written, or none: never another one', TIMEOUT, async () => {
    const store = createRecordStore({ directory, group: 'orders', voter: 'db1' });
    await fc.assert(
      fc.asyncProperty(
        record.map((kept) => kept ?? emptyRecord()),
        fc.array(fc.record({ at: fc.nat({ max: 700 }), byte: fc.nat({ max: 255 }), cut: fc.boolean() }), {
          maxLength: 3,
        }),
        async (kept, damages) => {
          await store.save(kept);
          expect(await store.load()).toEqual({ kind: 'found', record: kept });
          if (damages.length === 0) return;
          let bytes = readFileSync(store.path);
          for (const { at, byte, cut } of damages) {
            if (cut) bytes = bytes.subarray(0, at);
            else if (at < bytes.length) bytes[at] = byte;
          }
          writeFileSync(store.path, bytes);
          const loaded = await store.load();
          if (loaded.kind === 'found') expect(loaded.record).toEqual(kept);
          else expect(loaded.kind).toBe('unreadable');
        },
      ),
      budget(200),
    );
  });

  it('reads a journal of which anything may be left', TIMEOUT, async () => {
    const line = JSON.stringify({
      at: '2024-05-06T07:08:09.010Z',
      bootMs: 5,
      kind: 'notice',
      term: 1,
      cause: 'x',
      text: 'y',
    });
    const journal = createJournal({ directory, nowMs: () => 1, wallClock: () => new Date(0) });
    mkdirSync(dirname(journal.path), { recursive: true });
    await fc.assert(
      fc.asyncProperty(
        mangled([`${line}\n`, `${line}\n${line}\n${line}\n`]),
        fc.integer({ min: 1, max: 5 }),
        async (content, count) => {
          writeFileSync(journal.path, content);
          const told = await journal.tail(count);
          expect(told.length).toBeLessThanOrEqual(count);
          for (const entry of told) expect(typeof entry.text).toBe('string');
        },
      ),
      budget(300),
    );
    await journal.close();
  });
});
