/** Whose secrets root looks at when it checks a file for a daemon: those of the accounts that the packages make. */

import { accountOf } from '../../host/account.js';

const NAMES = ['vipd', 'vipd-witness'] as const;

/** User ids; without root's rights nobody checks for another. */
export const daemonAccounts = (): readonly number[] =>
  process.geteuid?.() !== 0
    ? []
    : NAMES.flatMap((name) => {
        const account = accountOf(name);
        return account.kind === 'found' ? [account.uid] : [];
      });
