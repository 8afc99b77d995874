/** Faults of the network: what the switch drops between which ports, as one nftables table that is replaced whole. */

import { run } from './command.js';
import { type HostName, on } from './topology.js';

/** `heartbeat`: UDP 8694. `replication`: TCP 3306; `logins`: new connections to that. `agents`: TCP 8695. */
export type Traffic = 'all' | 'heartbeat' | 'replication' | 'logins' | 'agents';

export interface Cut {
  readonly traffic: Traffic;
  readonly from: HostName | 'gateway';
  readonly to: HostName | 'gateway';
  /** Absent: everything. */
  readonly lossPercent?: number;
  /** Absent: the path through the switch; `second`: the crossover cable. */
  readonly path?: 'second';
}

const MATCH = {
  all: [''],
  heartbeat: ['udp dport 8694'],
  replication: ['tcp dport 3306', 'tcp sport 3306'],
  logins: ['tcp dport 3306 tcp flags & (syn | ack) == syn'],
  agents: ['tcp dport 8695', 'tcp sport 8695'],
} as const satisfies Record<Traffic, readonly string[]>;

export const bothWays = (traffic: Traffic, a: Cut['from'], b: Cut['to']): readonly Cut[] => [
  { traffic, from: a, to: b },
  { traffic, from: b, to: a },
];

const port = (host: HostName, cut: Cut): string => (cut.path === 'second' ? `${host}-x` : host);

/** The bridge itself has the gateway's address: what comes for it, or from it, is not forwarded. */
const endpoints = (cut: Cut): { readonly chain: string; readonly match: string } => {
  const parts: string[] = [];
  if (cut.from !== 'gateway') parts.push(`iifname "${port(cut.from, cut)}"`);
  if (cut.to !== 'gateway') parts.push(`oifname "${port(cut.to, cut)}"`);
  const chain = cut.to === 'gateway' ? 'input' : cut.from === 'gateway' ? 'output' : 'forward';
  return { chain, match: parts.join(' ') };
};

const rules = (chain: string, cuts: readonly Cut[]): readonly string[] =>
  cuts.flatMap((cut) => {
    const where = endpoints(cut);
    if (where.chain !== chain) return [];
    const loss = cut.lossPercent === undefined ? '' : `numgen random mod 100 < ${cut.lossPercent} `;
    return MATCH[cut.traffic].map((match) => `    ${where.match} ${match} ${loss}counter drop`);
  });

const table = (cuts: readonly Cut[]): string =>
  [
    // The first line makes sure that there is something to delete.
    'table bridge lab',
    'delete table bridge lab',
    'table bridge lab {',
    ...['forward', 'input', 'output'].flatMap((chain) => [
      `  chain ${chain} {`,
      `    type filter hook ${chain} priority 0; policy accept;`,
      ...rules(chain, cuts),
      '  }',
    ]),
    '}',
    '',
  ].join('\n');

/** Make these the cuts in force, and no others; in one transaction. */
export const applyCuts = async (cuts: readonly Cut[]): Promise<void> => {
  await run([...on('switch'), 'nft', '-f', '-'], { input: table(cuts) });
};
