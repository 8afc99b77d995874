import { expect, test } from 'vitest';
import type { Flavour } from './flavour.js';
import { setupWordsOf } from './setup-words.js';

const WISH = { host: '10.99.0.1', port: 3306, user: 'replication' };

/** MySQL 9.7 uses TLS for a channel unless told otherwise, so that a server that can be had here does not show whether it was asked for. */
test.each([
  ['CHANGE REPLICATION SOURCE TO', 'SOURCE_SSL = 1, SOURCE_CONNECT_RETRY = 1'],
  ['CHANGE MASTER TO', 'MASTER_SSL = 1, MASTER_CONNECT_RETRY = 1'],
])(
  'a channel of a MySQL that knows %s uses TLS, which caching_sha2_password needs after a restart',
  async (verb, words) => {
    const flavour = { name: 'mysql', configureChannel: verb } as unknown as Flavour;
    const { changeSource } = await setupWordsOf(flavour, async () => []);
    expect(changeSource(WISH, 'secret').sql).toContain(words);
  },
);
