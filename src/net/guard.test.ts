import { expect, test } from 'vitest';
import { SystemCallError } from '../host/libc.js';
import { createGuard } from './guard.js';
import { NftError } from './nftables.js';

const VIP = { address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' } as const;

/** A guard that was opened; what its next refresh throws, and its shutting then; what it told the kernel is in `ran`. */
const openGuard = (onRefresh: Error, onShut?: Error) => {
  const ran: string[] = [];
  const told = (what: string, error?: Error) => (): void => {
    ran.push(what);
    if (error) throw error;
  };
  const guard = createGuard(
    { group: 'g', vips: [VIP], now: () => 0 },
    {
      openNftables: () => ({
        run: (commands) => {
          ran.push(commands);
          return '';
        },
        close: () => undefined,
      }),
      openGuardElements: () => ({
        port: 1,
        use: () => undefined,
        refresh: told('refresh', onRefresh),
        open: told('open'),
        shut: told('shut', onShut),
        refuse: () => undefined,
        close: () => undefined,
      }),
    },
  );
  guard.install();
  expect(guard.openUntil(300)).toBe(true);
  ran.length = 0;
  return { guard, ran };
};

const NO_MEMORY = new SystemCallError('recvfrom', 105, 'ENOBUFS', 'renewing');

test.each([
  ['whose socket fails', NO_MEMORY],
  ['that nftables refuses', new NftError('EBUSY')],
])('a refresh %s shuts the guard and is told as that', (_, error) => {
  const { guard, ran } = openGuard(error);
  expect(guard.refreshUntil(600)).toBe('shut');
  expect(guard.holds()).toBe(false);
  expect(ran.at(-1)).toBe('shut');
});

test('where the elements cannot be taken out the tables are made anew, which is shut', () => {
  const { guard, ran } = openGuard(NO_MEMORY, NO_MEMORY);
  expect(guard.shut()).toBe(true);
  expect(guard.holds()).toBe(false);
  expect(ran.slice(0, 2)).toEqual(['shut', expect.stringContaining('delete table inet vipd_g')]);
});
