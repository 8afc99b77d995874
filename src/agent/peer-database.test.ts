import { describe, expect, it } from 'vitest';
import type { VipdConfig } from '../config/types.js';
import type { LoginHooks, openSession, Session } from '../mysql/connection.js';
import { createPeerDatabase } from './peer-database.js';

const ANSWER_MS = 25;
/** As much of a configuration as the question needs. */
const config = { peer: { address: '192.0.2.1' }, mysql: { port: 3306 } } as unknown as VipdConfig;

/** A peer whose host answers as `answers` says at the moment; counts the questions, and those that were given up. */
const peerWith = (answers: { host: 'nothing' | 'refuses' | 'accepts' }) => {
  let nowMs = 1_000;
  let questions = 0;
  let givenUp = 0;
  const open: typeof openSession = (_target, _credentials, _deadlineMs, { onAccepted, signal }: LoginHooks = {}) =>
    new Promise<Session>((_resolve, reject) => {
      questions += 1;
      signal?.addEventListener('abort', () => {
        givenUp += 1;
        reject(new Error('given up'));
      });
      if (answers.host === 'refuses') reject(new Error('ECONNREFUSED'));
      if (answers.host === 'accepts') onAccepted?.();
    });
  const peer = createPeerDatabase(
    () => ({ config, credentials: { user: 'vipd', password: '' } }),
    () => nowMs,
    open,
  );
  return {
    peer,
    wait: (ms: number) => {
      nowMs += ms;
    },
    shut: () => peer.shut(ANSWER_MS, AbortSignal.timeout(10)),
    questions: () => questions,
    givenUp: () => givenUp,
  };
};

describe('the server of a silent peer', () => {
  it('is silent at once where a question has been open for as long as it may take to answer', async () => {
    const { peer, wait, shut, questions, givenUp } = peerWith({ host: 'nothing' });
    peer.askAhead();
    wait(ANSWER_MS);
    expect(await shut()).toEqual({ state: 'silent' });
    expect([questions(), givenUp()]).toEqual([1, 1]);
  });

  it.each(['refuses', 'accepts'] as const)('is asked again where its host %s: that may hold no more', async (host) => {
    const answers: { host: 'nothing' | 'refuses' | 'accepts' } = { host };
    const { peer, shut, questions } = peerWith(answers);
    peer.askAhead();
    await new Promise(setImmediate);
    answers.host = 'nothing';
    expect(await shut()).toEqual({ state: 'silent' });
    expect(questions()).toBe(2);
  });

  it('is asked anew after its agent was heard, and nothing is left open', async () => {
    const { peer, wait, shut, questions, givenUp } = peerWith({ host: 'nothing' });
    peer.askAhead();
    peer.askAhead();
    peer.forget();
    wait(ANSWER_MS);
    expect(await shut()).toEqual({ state: 'silent' });
    expect([questions(), givenUp()]).toEqual([3, 3]);
  });
});
