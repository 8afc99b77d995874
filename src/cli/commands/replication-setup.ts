/** `vipctl replication setup`: makes this server one of a pair that replicates both ways, as far as nothing can be lost by it. */

import { checkDatabase } from '../../doctor/database.js';
import { asDatabaseError } from '../../mysql/errors.js';
import { openLink } from '../../mysql/links.js';
import { readGrants, readSetupFacts } from '../../mysql/setup-facts.js';
import { planServer, type SetupStep, type SetupWish } from '../../mysql/setup-plan.js';
import { accountName, setupWordsOf } from '../../mysql/setup-words.js';
import { PROMPT_MS } from '../../mysql/step.js';
import { localTarget } from '../../mysql/target.js';
import { renderFindings } from '../render/findings.js';
import { printable } from '../render/text.js';
import { findAdministrator, readReplicationPassword } from './administrator.js';
import { withNode } from './divergence.js';
import { EXIT_DONE, type ExitStatus } from './exit-status.js';
import { CommandError, type NodeContext } from './local-node.js';
import { type FirstHalf, setUpChannel, untilPeer } from './replication-pair.js';
import { carryOut, type SetupOptions, type Site } from './replication-site.js';
import { printLines, viewOf } from './terminal.js';

export const setUpReplication = (context: NodeContext, options: SetupOptions): Promise<ExitStatus> =>
  withNode(context, 'replication setup', async (node, signal) => {
    const login = await findAdministrator(node.config, options.adminFile, context.terminal);
    const admin = await login();
    try {
      const words = await setupWordsOf(admin.flavour, (sql) => admin.session.query(sql, PROMPT_MS));
      const say = (text: string): void => printLines(context.terminal, [printable(text)]);
      const password = askOnce(context, options);
      return await setUp({ context, options, node, admin, words, login, signal, password, say });
    } finally {
      admin.session.destroy();
    }
  });

const askOnce = ({ terminal }: NodeContext, { dryRun, passwordFile }: SetupOptions): (() => Promise<string>) => {
  let known: string | null = dryRun ? '' : null;
  return async () => {
    known ??= await readReplicationPassword(passwordFile, terminal);
    if (known === null) throw new CommandError('nobody is here to type the replication password: --password-file FILE');
    return known;
  };
};

const setUp = async (site: Site): Promise<ExitStatus> => {
  const { node, options, say } = site;
  const half = await setUpServer(site);
  const peer = await untilPeer(site);
  if (peer === null) {
    say(`then compares the two, and replicates from ${node.config.peer.name}, once that can be asked`);
    return EXIT_DONE;
  }
  try {
    await setUpChannel(site, peer, half);
  } finally {
    peer.session.destroy();
  }
  if (!options.dryRun) await tellRest(site);
  return EXIT_DONE;
};

/** Settings, binary logs of a server without data, accounts. */
const setUpServer = async (site: Site): Promise<FirstHalf> => {
  const { admin, words, node, options } = site;
  const facts = await readSetupFacts(admin);
  const wish = await wishOf(site, facts.accounts.map(accountName));
  const grants = new Map<string, Awaited<ReturnType<typeof readGrants>>>();
  for (const account of wish.agent.accounts) grants.set(accountName(account), await readGrants(admin, account));
  const plan = planServer(facts, wish, words, grants);
  if (plan.refused.length > 0) throw new CommandError(`${node.config.self.name}: ${plan.refused.join('\nvipctl: ')}`);
  const { steps, reconnect }: { readonly steps: readonly SetupStep[]; readonly reconnect: boolean } =
    'steps' in plan ? plan : { steps: [], reconnect: false };
  await carryOut(site, steps, [wish.agent.password, wish.replication.password]);
  if (!options.dryRun) await assertAgentLogin(site);
  const resets = steps.some(({ statements }) => statements.includes(words.resetBinlogs));
  return { position: resets ? `${admin.flavour.name}:` : facts.position, reconnect };
};

/** `there`: accounts that need no password any more. */
const wishOf = async (site: Site, there: readonly string[]): Promise<SetupWish> => {
  const { node, admin, options } = site;
  const { self, peer, mysql } = node.config;
  const { user, password } = node.credentials;
  // An agent looks at the peer's server too: before a takeover without a witness, and for checks.
  const hosts = [mysql.local.kind === 'socket' ? 'localhost' : mysql.local.host, peer.address];
  const account = { user: options.user, host: peer.address };
  return {
    flavour: admin.flavour.name,
    semiSync: mysql.semiSync === 'manage',
    place: [self.name, peer.name].sort().indexOf(self.name) + 1,
    agent: { accounts: hosts.map((host) => ({ user, host })), password },
    replication: { account, password: there.includes(accountName(account)) ? '' : await site.password() },
  };
};

const assertAgentLogin = async ({ node: { config, credentials } }: Site): Promise<void> => {
  try {
    (await openLink(localTarget(config), credentials, PROMPT_MS)).session.destroy();
  } catch (cause) {
    const { message } = asDatabaseError(cause, 'login');
    const remedy = `correct ${config.mysql.defaultsFile}, or give the account the password that stands there (ALTER USER)`;
    throw new CommandError(`the agent cannot log in: ${message}; ${remedy}`);
  }
};

/** What only my.cnf can hold, or an operator should know besides. */
const tellRest = async ({ context: { terminal }, node, say }: Site): Promise<void> => {
  const findings = await checkDatabase(node.config, 'own');
  const wrong = findings.filter(({ verdict }) => verdict === 'fault' || verdict === 'warning');
  if (wrong.length === 0) return;
  say('');
  say('still to do:');
  printLines(terminal, renderFindings(wrong, viewOf(terminal)));
};
