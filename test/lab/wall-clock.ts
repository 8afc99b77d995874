/**
 * A wall clock for each host: the daemons on it see CLOCK_REALTIME moved by what a file says (faketime(1), preloaded).
 *
 * The namespaces of the lab share the machine's clock, which nobody may step, and time namespaces leave CLOCK_REALTIME as
 * it is (time_namespaces(7)). CLOCK_MONOTONIC and CLOCK_BOOTTIME are told not to be moved, as a step does not move them.
 */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './topology.js';

/** Debian keeps libraries by architecture. */
const LIBRARIES = '/usr/lib';
const LIBRARY = join('faketime', 'libfaketimeMT.so.1');
/** For so long a program goes on with the offset that it read last. */
const CACHE_SECONDS = 1;

const libraryPath = (): string => {
  const found = readdirSync(LIBRARIES)
    .map((name) => join(LIBRARIES, name, LIBRARY))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`no ${LIBRARY} under ${LIBRARIES}: install the package libfaketime`);
  return found;
};

const clockFile = (directory: string, place: Place): string => join(directory, `clock-${place}`);

/** Move the wall clock of that host away from the machine's by so many seconds; taken up within a second. */
export const setWallClock = (directory: string, place: Place, offsetSeconds: number): void => {
  const sign = offsetSeconds < 0 ? '-' : '+';
  writeFileSync(clockFile(directory, place), `${sign}${Math.abs(offsetSeconds)}\n`);
};

/** Put before a command, gives it the clock of that host; it execs. */
export const underWallClock = (directory: string, place: Place): readonly string[] => {
  setWallClock(directory, place, 0);
  return [
    'env',
    `LD_PRELOAD=${libraryPath()}`,
    `FAKETIME_TIMESTAMP_FILE=${clockFile(directory, place)}`,
    `FAKETIME_CACHE_DURATION=${CACHE_SECONDS}`,
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
  ];
};
