/** An operator's hand on nftables: everything flushed, and nftables.service restarted. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { GROUP } from '../lab/host-files.js';
import { ADDRESSES, addressesOf, type NodeName, on } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

const BETWEEN_MS = 1_000;
/** Many leases, and shorter than the lifetime of the old active's address: the guard alone keeps it quiet. */
const STOPPED_MS = 8_000;

/** As Debian's nftables package has it. */
const NFTABLES_CONF = `flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter;
	}
	chain forward {
		type filter hook forward priority filter;
	}
	chain output {
		type filter hook output priority filter;
	}
}
`;

const nft = (node: NodeName, ...args: readonly string[]): Promise<string> => run([...on(node), 'nft', ...args]);

const flush = (node: NodeName): Promise<string> => nft(node, 'flush', 'ruleset');

/** ExecStop, then ExecStart of Debian's nftables.service. */
const restartService = async ({ lab }: Stage, node: NodeName): Promise<void> => {
  const file = join(lab.directory, 'nftables.conf');
  writeFileSync(file, NFTABLES_CONF);
  await flush(node);
  await nft(node, '-f', file);
};

/** Rules and guarded addresses, without the elements that come and go with the lease. */
const guardOf = async (node: NodeName): Promise<string> => {
  const parts: string[] = [];
  for (const family of ['inet', 'arp'])
    parts.push(await nft(node, '--terse', 'list', 'table', family, `vipd_${GROUP}`));
  for (const set of ['vips4', 'vips6']) parts.push(await nft(node, 'list', 'set', 'inet', `vipd_${GROUP}`, set));
  return parts.join('');
};

const untilRebuilt = async ({ lab }: Stage, node: NodeName, before: string): Promise<void> => {
  await waitFor(async () => (await guardOf(node)) === before, `the guard of ${node} is as it was`, PATIENCE_MS);
  await waitFor(
    async () => (await lab.status(node)).protection.guard.every((layer) => layer.armed),
    `${node} says that its guard is armed`,
    PATIENCE_MS,
  );
};

/** What a node sends from the VIP, ARP included; a reset may leave it, since it tells a client that nobody is there. */
const fromVip = (node: NodeName, vip: string): string =>
  `ether src ${ADDRESSES[node].mac} and src host ${vip} and not tcp[tcpflags] & tcp-rst != 0`;

const flushed = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, goOn, note, untilWritesPass, untilActive } = stage;
  for (const node of [standby, active]) {
    const before = await guardOf(node);
    for (const [what, act] of [
      ['nft flush ruleset', () => flush(node)],
      ['nftables.service restarted', () => restartService(stage, node)],
    ] as const) {
      await fault(`${what} on ${node}`, act);
      await untilRebuilt(stage, node, before);
      await untilWritesPass();
      stage.noteOutage();
      await goOn(BETWEEN_MS);
    }
  }
  const before = await guardOf(active);
  await fault(`nft flush ruleset on ${active}, and once rebuilt its agent stopped for ${STOPPED_MS} ms`, async () => {
    await flush(active);
    await untilRebuilt(stage, active, before);
    lab.agent[active].signal('SIGSTOP');
  });
  // Whoever asks the stopped agent as well waits for its answer, and its address may be gone by then.
  await waitFor(async () => (await lab.status(standby)).active === standby, `${standby} is active`, PATIENCE_MS);
  const capture = await lab.capture('switch', active, fromVip(active, lab.vip));
  await goOn(STOPPED_MS);
  const addresses = await addressesOf(active);
  const sent = await capture.stop();
  lab.agent[active].signal('SIGCONT');
  await untilActive(standby);
  if (!addresses.includes(lab.vip)) throw new Error(`${lab.vip} had left ${active}: nothing was seen of the guard`);
  if (sent.length > 0)
    throw new Error(`${active} sent ${sent.length} packets from ${lab.vip}, such as ${sent[0]?.text}`);
  note(`${active}, stopped, still had ${lab.vip} and sent nothing from it`);
};

export const RULESET_FAULTS: readonly Scenario[] = [
  {
    id: '39',
    orphans: 'may be kept',
    title: 'nft flush ruleset, nftables.service restarted',
    outcome: 'guard rebuilt; it holds when the agent is stopped then',
    moves: { exactly: 1 },
    run: flushed,
  },
];
