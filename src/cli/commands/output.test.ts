/** What becomes of a command whose reader has gone. */

import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { openOutput } from './output.js';
import { watch } from './watch.js';

/** A pipe whose reader goes after so many writes. */
const pipeFor = (writes: number) => {
  const taken: string[] = [];
  const stream = new Writable({
    autoDestroy: false,
    write(chunk, _encoding, done) {
      taken.push(String(chunk));
      done(taken.length <= writes ? null : Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const write = vi.spyOn(stream, 'write');
  return { output: openOutput(stream), taken, write };
};

test('nothing more is written to a closed pipe, and the command goes on', async () => {
  const { output, write } = pipeFor(1);
  for (const line of ['a', 'b', 'c']) {
    output.write(line);
    await turn();
  }
  expect(write.mock.calls).toEqual([['a'], ['b']]);
  expect(output.isClosed()).toBe(true);
});

test('any other error of it is one', () => {
  const stream = new Writable();
  openOutput(stream);
  expect(() => stream.emit('error', Object.assign(new Error('no space'), { code: 'ENOSPC' }))).toThrow('no space');
});

test('a picture that nobody sees is not drawn for ever', async () => {
  const { output, taken } = pipeFor(2);
  const terminal = {
    out: output.write,
    err: () => undefined,
    isClosed: output.isClosed,
    size: () => null,
    environment: {},
    onInterrupt: () => () => undefined,
  };
  await watch(async () => ['OK'], terminal, new AbortController().signal, 1);
  expect(taken).toHaveLength(3);
});
