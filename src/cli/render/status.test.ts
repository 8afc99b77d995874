/** Renderings of whole states, compared with golden files; UPDATE=1 writes them anew. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { explain } from '../../control/explain.js';
import { HISTORY, STATES } from '../../control/status.fixture.js';
import { renderExplanation } from './explanation.js';
import { renderHistory } from './history.js';
import { renderStatus } from './status.js';
import { colourStyle, plainStyle } from './style.js';
import { widthOf } from './text.js';

const expectGolden = (name: string, lines: readonly string[]): void => {
  const file = new URL(`golden/${name}.txt`, import.meta.url);
  const text = `${lines.join('\n')}\n`;
  if (process.env.UPDATE === '1') writeFileSync(file, text);
  expect(existsSync(file), `no golden file ${name}.txt: run with UPDATE=1, and read it`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
};

const plain = (width: number) => ({ width, style: plainStyle });

describe.each(Object.entries(STATES))('the status "%s"', (name, status) => {
  test('reads as its golden file', () => expectGolden(name, renderStatus(status, plain(100))));

  test('is explained as its golden file says', () =>
    expectGolden(`explain-${name}`, renderExplanation(explain(status, HISTORY), plain(100))));

  test('says the same without colours', () => {
    const coloured = renderStatus(status, { width: 100, style: colourStyle });
    expect(coloured.map(stripVTControlCharacters)).toEqual(renderStatus(status, plain(100)));
    expect(coloured).not.toEqual(renderStatus(status, plain(100)));
  });

  test.each([80, 132])('fits a terminal of %i columns', (width) => {
    const widest = Math.max(...renderStatus(status, plain(width)).map(widthOf));
    expect(widest).toBeLessThanOrEqual(width);
  });
});

test('nothing is cut where the output is no terminal', () => {
  const lines = renderStatus(STATES['much-wrong'], plain(Number.POSITIVE_INFINITY));
  expect(lines.join('\n')).not.toContain('...');
});

test('a status on a narrow terminal is read in blocks', () =>
  expectGolden('narrow', renderStatus(STATES['all-well'], plain(40))));

test('the history reads as its golden file', () => expectGolden('history', renderHistory(HISTORY, plain(110))));

test('on a terminal of 80 columns each reason has its own line', () =>
  expectGolden('history-narrow', renderHistory(HISTORY, plain(80))));

test('an empty history says so', () => expect(renderHistory([], plain(80))).toEqual(['nothing on record yet']));
