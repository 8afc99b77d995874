import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { play } from './script.js';

// Each file is a story: commands, and below them the trace they must lead to. `UPDATE=1` writes the traces anew; read the difference.
const directory = new URL('.', import.meta.url).pathname;
const files = readdirSync(directory).filter((name) => name.endsWith('.txt'));

describe('the core, told as stories', () => {
  it('has at least 25 of them', () => expect(files.length).toBeGreaterThanOrEqual(25));

  for (const name of files) {
    it(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const path = join(directory, name);
      const text = readFileSync(path, 'utf8');
      const played = play(text);
      if (process.env.UPDATE === '1') writeFileSync(path, played);
      else expect(played).toBe(text);
    });

    it(`${name.replace('.txt', '')} runs the same twice`, () => {
      const text = readFileSync(join(directory, name), 'utf8');
      expect(play(text)).toBe(play(text));
    });
  }
});
