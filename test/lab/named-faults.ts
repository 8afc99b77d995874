/** The faults that an operator of a lab can ask for by name, each what an afternoon in production can bring. */

import { bothWays } from './faults.js';
import { type Lab, peerOf } from './lab.js';
import { addressesOf, NODES, type NodeName, withPrefix } from './topology.js';

export interface NamedFault {
  readonly text: string;
  readonly run: (lab: Lab, node: NodeName) => Promise<void>;
}

const LOSS_PERCENT = 30;

export const NAMED_FAULTS: Readonly<Record<string, NamedFault>> = {
  'kill-mysqld': { text: 'kill -9 the database', run: (lab, node) => lab.database[node].stop('SIGKILL') },
  'hang-mysqld': {
    text: 'stop the database where it is (SIGSTOP)',
    run: async (lab, n) => lab.database[n].signal('SIGSTOP'),
  },
  'wake-mysqld': { text: 'let it go on (SIGCONT)', run: async (lab, node) => lab.database[node].signal('SIGCONT') },
  'start-mysqld': { text: 'start the database', run: (lab, node) => lab.database[node].start() },
  'kill-agent': { text: 'kill -9 the agent', run: (lab, node) => lab.agent[node].stop('SIGKILL') },
  'hang-agent': { text: 'stop the agent where it is (SIGSTOP)', run: async (lab, n) => lab.agent[n].signal('SIGSTOP') },
  'wake-agent': { text: 'let it go on (SIGCONT)', run: async (lab, node) => lab.agent[node].signal('SIGCONT') },
  'start-agent': { text: 'start the agent', run: async (lab, node) => lab.agent[node].start() },
  'power-off': { text: 'the host is gone, at once', run: (lab, node) => lab.powerOff(node) },
  'power-on': { text: 'the host boots again', run: (lab, node) => lab.powerOn(node) },
  unplug: { text: 'pull its network cable', run: (lab, node) => lab.cable(node, false) },
  plug: { text: 'plug it in again', run: (lab, node) => lab.cable(node, true) },
  isolate: {
    text: 'cut it off from its peer and from the witness',
    run: (lab, node) => lab.cut([...bothWays('all', node, peerOf(node)), ...bothWays('all', node, 'w1')]),
  },
  partition: { text: 'cut db1 and db2 off from each other', run: (lab) => lab.cutBetween('db1', 'db2') },
  deaf: {
    text: 'it sends heartbeats, and gets none',
    run: (lab, to) => lab.cut([peerOf(to), 'w1' as const].map((from) => ({ traffic: 'heartbeat', from, to }))),
  },
  'cut-replication': {
    text: 'cut TCP 3306 between db1 and db2',
    run: (lab) => lab.cutBetween('db1', 'db2', 'replication'),
  },
  'cut-heartbeat': {
    text: 'cut UDP 8694 between db1 and db2',
    run: (lab) => lab.cutBetween('db1', 'db2', 'heartbeat'),
  },
  loss: {
    text: `lose ${LOSS_PERCENT} % of the packets between db1, db2 and w1`,
    run: (lab) => lab.lose(LOSS_PERCENT, ['db1', 'db2', 'w1']),
  },
  'remove-vip': {
    text: 'take the virtual address off by hand',
    run: async (lab, node) => {
      for (const vip of lab.vips) {
        await lab.exec(node, ['ip', 'address', 'del', withPrefix(vip), 'dev', 'eth0']);
      }
    },
  },
  heal: { text: 'undo every cut and loss', run: (lab) => lab.heal() },
};

/** Which node has the VIP, as the kernels have it. */
export const vipHolder = async (lab: Lab): Promise<NodeName | undefined> => {
  for (const node of NODES) {
    // A host that is switched off has no addresses to ask for.
    const addresses = await addressesOf(node).catch((): readonly string[] => []);
    if (addresses.includes(lab.vip)) return node;
  }
  return undefined;
};
