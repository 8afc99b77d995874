import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { boottimeMs } from './clock.js';
import { interfaceIndex, openSocket, SystemCallError, setSocketOption, tryLock, unlock } from './libc.js';

describe('the C library', () => {
  test('the boot-time clock goes forward, in milliseconds with fractions', () => {
    const readings = Array.from({ length: 1000 }, boottimeMs);
    expect(readings).toEqual(readings.toSorted((a, b) => a - b));
    expect(readings.some((ms) => !Number.isInteger(ms))).toBe(true);
  });

  test('the boot-time clock and Node’s own agree on how long something took', () => {
    const boot = boottimeMs();
    const node = performance.now();
    while (performance.now() - node < 5);
    const difference = boottimeMs() - boot - (performance.now() - node);
    expect(Math.abs(difference)).toBeLessThan(2);
  });

  test('a failed call says what was attempted and which error came back', () => {
    const attempt = (): void => setSocketOption(-1, 1, 2, new Uint8Array(4), 'setting an option');
    expect(attempt).toThrow(SystemCallError);
    expect(attempt).toThrow('setting an option: setsockopt failed with EBADF');
    expect(() => openSocket(-1, 1, 0, 'opening a socket')).toThrow('opening a socket: socket failed with EAFNOSUPPORT');
  });

  test('a lock keeps another descriptor out until it is given back or closed', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vipd-lock-'));
    try {
      const path = join(directory, 'lock');
      const [first, second] = [openSync(path, 'w'), openSync(path, 'w')];
      expect(tryLock(first, 'exclusive', 'locking')).toBe(true);
      expect(tryLock(second, 'exclusive', 'locking')).toBe(false);
      expect(tryLock(second, 'shared', 'locking')).toBe(false);
      unlock(first, 'unlocking');
      expect(tryLock(second, 'exclusive', 'locking')).toBe(true);
      closeSync(second);
      expect(tryLock(first, 'exclusive', 'locking')).toBe(true);
      closeSync(first);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('interfaces have an index, and what is none has not', () => {
    expect(interfaceIndex('lo')).toBeGreaterThan(0);
    expect(interfaceIndex('no-such-if')).toBeNull();
  });
});
