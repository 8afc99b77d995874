/** What `vipctl replication setup` works on, and how its steps are told and taken. */

import type { Link } from '../../mysql/links.js';
import type { SetupStep } from '../../mysql/setup-plan.js';
import { carryOutSteps } from '../../mysql/setup-run.js';
import type { SetupWords } from '../../mysql/setup-words.js';
import type { Administrator } from './administrator.js';
import type { LocalNode, NodeContext } from './local-node.js';

export interface SetupOptions {
  readonly dryRun: boolean;
  /** Of the account by which each node replicates from the other. */
  readonly user: string;
  readonly passwordFile?: string;
  readonly adminFile?: string;
  /** How long to wait for the other node to be set up. */
  readonly waitMs: number;
}

export interface Site {
  readonly context: NodeContext;
  readonly options: SetupOptions;
  readonly node: LocalNode;
  readonly admin: Link;
  readonly words: SetupWords;
  readonly login: Administrator;
  readonly signal: AbortSignal;
  /** Asked for once, and only where it is needed. @throws CommandError */
  readonly password: () => Promise<string>;
  readonly say: (text: string) => void;
}

/** `secrets` are struck out of what goes wrong. @throws DatabaseError */
export const carryOut = async (
  { options, admin, words, say, node }: Site,
  steps: readonly SetupStep[],
  secrets: readonly string[],
): Promise<void> => {
  const here = node.config.self.name;
  if (options.dryRun) for (const { text } of steps) say(`${here}, to be done: ${text}`);
  else await carryOutSteps(admin.session, words, steps, secrets, (text) => say(`${here}: ${text}`));
};
