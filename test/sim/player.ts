/** Threads that play batches and look for planted faults: the main one stays free for signals and progress. */

import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { type Batch, type BatchResult, playBatch } from './batch.js';
import { PLANTED } from './planted.js';
import { type Found, type Search, search } from './search.js';

export type Task =
  | { readonly kind: 'batch'; readonly batch: Batch }
  | { readonly kind: 'search'; readonly search: Search };

export type Answer =
  | { readonly kind: 'batch'; readonly result: BatchResult }
  | { readonly kind: 'search'; readonly fault: string; readonly found: Found | null; readonly tookMs: number };

export interface Player {
  /** One at a time. Rejects where the thread dies of an error. */
  readonly play: (task: Task) => Promise<Answer>;
  readonly end: () => Promise<void>;
}

export const createPlayer = (): Player => {
  const worker = new Worker(fileURLToPath(import.meta.url));
  return {
    play: (task) =>
      new Promise((resolve, reject) => {
        worker.removeAllListeners();
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.postMessage(task);
      }),
    end: async () => {
      await worker.terminate();
    },
  };
};

const compiled = fileURLToPath(new URL('../../src/core', import.meta.url));

const answer = async (task: Task): Promise<Answer> => {
  if (task.kind === 'batch') return { kind: 'batch', result: playBatch(task.batch) };
  const began = Date.now();
  const fault = PLANTED.find(({ name }) => name === task.search.fault);
  if (!fault) throw new RangeError(`no planted fault is called '${task.search.fault}'`);
  const found = await search(fault, compiled, task.search);
  return { kind: 'search', fault: fault.name, found, tookMs: Date.now() - began };
};

if (!isMainThread) parentPort?.on('message', async (task: Task) => parentPort?.postMessage(await answer(task)));
