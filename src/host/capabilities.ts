/** Tells what this process may do beyond what its user may: its capabilities. */

import { readFileSync } from 'node:fs';

/** Bits of linux/capability.h. */
const CAP_SETGID = 6n;
const CAP_SETUID = 7n;

/** Whether it may become another user, with that one's groups: root may, and whoever the service manager lets. */
export const mayChangeUser = (statusPath = '/proc/self/status'): boolean => {
  const held = effective(statusPath);
  return [CAP_SETUID, CAP_SETGID].every((bit) => ((held >> bit) & 1n) === 1n);
};

/** The set that counts now, CapEff of proc(5); none where it cannot be read. */
const effective = (statusPath: string): bigint => {
  try {
    const found = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(statusPath, 'utf8'));
    return found === null ? 0n : BigInt(`0x${found[1]}`);
  } catch {
    return 0n;
  }
};
