/** `vipctl doctor`: tries what the agent needs, in the order in which one fault would explain the next. */

import { mtusOf } from '../agent/facts.js';
import type { VipdConfig } from '../config/types.js';
import type { Status } from '../control/status.js';
import { allVips, checkGateways, checkHolders, checkOwnAddress, checkVip, readHostNetwork } from './addresses.js';
import { askPeerAgent, askTcp, type Greeted, greetMembers } from './ask.js';
import { checkDatabase } from './database.js';
import { type Finding, fault, messageOf, ok, skipped } from './finding.js';
import {
  checkCapabilities,
  checkHooks,
  checkNftables,
  checkPacketSocket,
  checkScheduling,
  checkState,
} from './host.js';
import { checkListener } from './listener.js';
import { type Heard, judgeClock, judgeFrames, judgeMtus, judgePeer, judgeSettings, judgeWitness } from './members.js';
import type { Subject } from './subject.js';

export interface DoctorOptions {
  readonly config: VipdConfig;
  readonly digest: string;
  readonly status: Status | null;
  readonly agentPid: number | null;
}

/** Changes nothing that lasts; ends within half a minute. Never rejects. */
export const examine = async (options: DoctorOptions): Promise<readonly Finding[]> => {
  const { config } = options;
  const subject: Subject = { ...options, peer: await askPeerAgent(config) };
  const host = readHostNetwork();
  const parts: readonly (() => readonly Finding[] | Promise<readonly Finding[]>)[] = [
    () => checkAgent(subject),
    () => checkCapabilities(subject),
    () => checkScheduling(subject),
    () => checkNftables(subject),
    () => checkPacketSocket(),
    () => checkState(subject),
    () => checkHooks(subject),
    () => checkOwnAddress(config, host),
    () => allVips(config).flatMap((vip) => checkVip(vip, host)),
    () => checkHolders(subject, host),
    () => checkGateways(subject, host),
    () => checkMembers(subject),
    () => judgeFrames(subject),
    () => judgeSettings(subject),
    () => judgeMtus(mtusOf(config), subject),
    () => judgeClock(subject.peer, config.peer.name),
    () => checkListener(config),
    () => checkDatabase(config, 'own'),
  ];
  const findings: Finding[] = [];
  for (const part of parts) {
    try {
      findings.push(...(await part()));
    } catch (cause) {
      findings.push(skipped('doctor', 'ran a check', messageOf(cause)));
    }
  }
  return findings;
};

const checkAgent = ({ status }: Subject): readonly Finding[] => {
  const tried = 'asked the agent on this host for its status';
  if (status === null)
    return [
      fault('agent', tried, 'none answers', 'systemctl start vipd; the checks below do without it as far as they can'),
    ];
  return [ok('agent', tried, `vipd ${status.version}, ${status.nodes.find(({ self }) => self)?.role ?? 'unknown'}`)];
};

const checkMembers = async (subject: Subject): Promise<readonly Finding[]> => {
  const { config } = subject;
  const database = await askTcp(config, config.mysql.port);
  const greeted = subject.status === null ? await greet(config) : heardByAgent(subject.status);
  const of = (name: string): Greeted => greeted.get(name) ?? { here: 'unknown', there: 'unknown' };
  const reachesDatabase = database === 'open' || database === 'refused';
  return [
    ...judgePeer(subject, { ...of(config.peer.name), reachesDatabase }),
    ...judgeDatabasePort(subject, database === 'open'),
    ...config.witnesses.map(({ name }) => judgeWitness(subject, name, of(name).here)),
    ...(config.witnesses.length === 0
      ? [skipped('witness', 'looked for a witness', 'none is configured: a partition can split this group')]
      : []),
  ];
};

/** The heartbeat port may be another program's: then nothing can be told by datagrams. */
const greet = (config: VipdConfig): Promise<ReadonlyMap<string, Greeted>> =>
  greetMembers(config).catch((): ReadonlyMap<string, Greeted> => new Map());

const heardByAgent = (status: Status): ReadonlyMap<string, Greeted> => {
  const heard = (reachable: boolean): Heard => (reachable ? 'heard' : 'silent');
  const peers = status.nodes
    .filter(({ self }) => !self)
    .map(({ name, agent }) => [name, heard(agent.reachable)] as const);
  const witnesses = status.witnesses.map(({ name, reachable }) => [name, heard(reachable)] as const);
  return new Map([...peers, ...witnesses].map(([name, here]) => [name, { here, there: 'unknown' }]));
};

/** Told only where the rest of that host can be reached. */
const judgeDatabasePort = ({ config, peer }: Subject, open: boolean): readonly Finding[] => {
  if (peer.kind === 'silent' || peer.kind === 'unasked') return [];
  const tried = `connected to the database of ${config.peer.name}, TCP port ${config.mysql.port}`;
  if (open) return [ok('peer-database', tried, 'it accepts')];
  return [
    fault(
      'peer-database',
      tried,
      'it does not accept connections',
      `start it; else bind_address in my.cnf there, or a firewall: replication needs this port`,
    ),
  ];
};
