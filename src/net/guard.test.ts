import { expect, test } from 'vitest';
import { SystemCallError } from '../host/libc.js';
import { createGuard } from './guard.js';
import { NftError } from './nftables.js';

/** A guard that was opened, and whose next refresh throws; what nftables was told is in `ran`. */
const openGuard = (error: Error) => {
  const ran: string[] = [];
  const refresh = (): never => {
    throw error;
  };
  const guard = createGuard(
    { group: 'g', vips: [{ address: '10.99.0.100', prefixLength: 24, family: 4, interface: 'eth0' }], now: () => 0 },
    {
      openNftables: () => ({
        run: (commands) => {
          ran.push(commands);
          return '';
        },
        close: () => undefined,
      }),
      openGuardRefresher: () => ({ port: 1, use: () => undefined, refresh, close: () => undefined }),
    },
  );
  guard.install();
  expect(guard.openUntil(300)).toBe(true);
  ran.length = 0;
  return { guard, ran };
};

test.each([
  ['whose socket fails', new SystemCallError('recvfrom', 105, 'ENOBUFS', 'renewing')],
  ['that nftables refuses', new NftError('EBUSY')],
])('a refresh %s shuts the guard and is told as that', (_, error) => {
  const { guard, ran } = openGuard(error);
  expect(guard.refreshUntil(600)).toBe('shut');
  expect(guard.holds()).toBe(false);
  expect(ran.at(-1)).toContain('flush set');
});
