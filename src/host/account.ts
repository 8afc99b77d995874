/** Finds the account that a health script or a hook runs as. */

import { readFileSync } from 'node:fs';

export interface Account {
  readonly kind: 'found';
  readonly uid: number;
  /** Its primary group. */
  readonly gid: number;
}

export type AccountLookup = Account | { readonly kind: 'unknown'; readonly why: string };

/**
 * Looks `name` up in /etc/passwd (passwd(5)). Only there: an account that a directory server must be asked for cannot be
 * had when the network is what has failed.
 */
export const accountOf = (name: string, passwdPath = '/etc/passwd'): AccountLookup => {
  let text: string;
  try {
    text = readFileSync(passwdPath, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: 'unknown', why: `cannot look up user ${name}: ${why}` };
  }
  for (const line of text.split('\n')) {
    const [login, , uid, gid] = line.split(':');
    if (login === name && isId(uid) && isId(gid)) return { kind: 'found', uid: Number(uid), gid: Number(gid) };
  }
  return { kind: 'unknown', why: `there is no user ${name} in ${passwdPath}; create it or name another` };
};

/** One for each user that a configuration names. */
const remembered = new Map<string, Account>();

/**
 * The same, for what is run again and again: found once, /etc/passwd is not read any more, which happens on the caller's
 * own thread and would hold it up where the disk hangs.
 */
export const rememberedAccountOf = (name: string, passwdPath?: string): AccountLookup => {
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const account = accountOf(name, passwdPath);
  if (account.kind === 'found') remembered.set(name, account);
  return account;
};

/** At a reload: an account may have been made anew under its name. */
export const forgetAccounts = (): void => remembered.clear();

const isId = (field: string | undefined): field is string => field !== undefined && /^\d+$/.test(field);
