import { expect, it } from 'vitest';
import { leave } from './leave.js';

it('takes the VIPs off before anything else, and is gone once all is closed', async () => {
  const said: string[] = [];
  const say = (what: string) => () => void said.push(what);
  await new Promise<void>((resolve) => {
    leave({
      stop: [say('loop stopped'), say('stopping told')],
      close: [
        async () => said.push('closed'),
        () => undefined,
        () => Promise.reject(new Error('a disk that takes nothing')),
      ],
      vipsOff: () => [Promise.resolve().then(say('VIP off done')), Promise.reject(said.push('VIP off asked'))],
      gone: () => {
        said.push('gone');
        resolve();
      },
    });
  });
  expect(said).toEqual(['VIP off asked', 'loop stopped', 'stopping told', 'closed', 'VIP off done', 'gone']);
});
