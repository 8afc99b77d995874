import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Transition, transitions } from '../../src/core/table.js';
import { drawTransitions } from './draw-transitions.js';

const directory = new URL('.', import.meta.url).pathname;
const document = new URL('../../docs/transitions.md', import.meta.url).pathname;

const stories = readdirSync(directory)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => readFileSync(join(directory, name), 'utf8'))
  .join('\n');

const reached = (row: Transition): boolean => stories.includes(` ${row.from} -> ${row.to} (${row.cause})`);

describe('the transition table', () => {
  it.each(transitions.map((row) => [`${row.from} -> ${row.to} by ${row.cause}`, row] as const))(
    'reaches %s in a story',
    (_name, row) => expect(reached(row)).toBe(true),
  );

  it('has no row twice', () => {
    const keys = transitions.map((row) => `${row.from} ${row.to} ${row.cause}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is drawn in docs/transitions.md as it is', () => {
    const drawn = drawTransitions();
    if (process.env.UPDATE === '1') writeFileSync(document, drawn);
    else expect(readFileSync(document, 'utf8')).toBe(drawn);
  });
});
