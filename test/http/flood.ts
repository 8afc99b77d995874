/** Asks a URL over and over, as fast as it goes: a program. Prints how many answers came in the seconds given. */

import { get } from 'node:http';

const AT_ONCE = 50;

const [url = '', forSeconds = '1'] = process.argv.slice(2);
const until = performance.now() + Number(forSeconds) * 1_000;
let answers = 0;

const ask = (): Promise<void> =>
  new Promise((resolve) => {
    const request = get(url, { agent: false }, (response) => {
      answers += 1;
      response.resume();
    });
    request.once('error', () => resolve());
    request.once('close', () => resolve());
  });

const keepAsking = async (): Promise<void> => {
  while (performance.now() < until) await ask();
};

await Promise.all(Array.from({ length: AT_ONCE }, keepAsking));
process.stdout.write(`${answers}\n`);
