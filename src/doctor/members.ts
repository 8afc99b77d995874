/** Judges the paths to the other members: who hears whom, who runs, whose key differs, whose settings differ. Pure. */

import { type Facts, sharedSettings } from '../agent/facts.js';
import { formatDuration } from '../config/duration.js';
import type { VipdConfig } from '../config/types.js';
import type { Status } from '../control/status.js';
import { type Finding, fault, ok, skipped, warning } from './finding.js';
import type { PeerAnswer, Subject } from './subject.js';

/** What was found out about one member by datagrams. */
export type Heard = 'heard' | 'silent' | 'unknown';

const heardBy = (facts: Facts, name: string, leaseMs: number): Heard => {
  const ageMs = facts.heard[name];
  if (ageMs === undefined) return 'unknown';
  return ageMs !== null && ageMs <= Math.max(leaseMs, SLOW_TALK_MS) ? 'heard' : 'silent';
};

/** A standby and a witness speak to each other each second. */
const SLOW_TALK_MS = 3_000;

/** What was found out about the peer without its agent's help. */
export interface PeerSigns {
  readonly here: Heard;
  /** Whether it hears this node; `unknown`: only its own agent can tell. */
  readonly there: Heard;
  /** Its database port answers, if only by saying that nobody listens. */
  readonly reachesDatabase: boolean;
}

export const judgePeer = (subject: Subject, { here, there, reachesDatabase }: PeerSigns): readonly Finding[] => {
  const { config, peer } = subject;
  const { name, address } = config.peer;
  const port = config.agents.port;
  const tried = `asked the agent of ${name} at ${address}, TCP port ${port}`;
  const asked = peer.kind === 'facts' ? heardBy(peer.facts, config.self.name, config.heartbeat.leaseMs) : 'unknown';
  const told = there === 'unknown' ? asked : there;
  switch (peer.kind) {
    case 'unasked':
      return [skipped('peer', tried, peer.why)];
    case 'not-trusted':
      return [
        fault('key', tried, `it runs and does not take our word: ${peer.why}`, keyRemedy(config)),
        ...(here === 'silent' ? [] : heartbeats(config, here, told)),
      ];
    case 'refused':
      return [
        fault(
          'peer-agent',
          tried,
          'the host answers that nobody listens there',
          `start vipd on ${name}, with the same agents.port`,
        ),
      ];
    case 'silent':
      return [silentChannel(config, tried, here, reachesDatabase)];
    case 'facts':
      return [ok('peer-agent', tried, `it answers, vipd ${peer.facts.version}`), ...heartbeats(config, here, told)];
  }
};

const keyRemedy = (config: VipdConfig): string =>
  `key_file must hold the same key on both nodes (compare: sha256sum ${config.keyFiles.join(' ')}), and group and node names must be the same`;

const silentChannel = (config: VipdConfig, tried: string, here: Heard, reachesDatabase: boolean): Finding => {
  const { name } = config.peer;
  const { port } = config.agents;
  if (here === 'heard' && !reachesDatabase) {
    const found = `${name} is heard here, and nothing that this node sends to it is answered`;
    return fault(
      'one-way',
      tried,
      found,
      `look for a firewall or a broken path from here to ${name}; the other direction works`,
    );
  }
  if (here === 'heard' || reachesDatabase) {
    const remedy = `let TCP port ${port} pass between the nodes, both ways (firewall on either host, or between)`;
    return fault('agents-port', tried, 'no answer, though the host can be reached otherwise', remedy);
  }
  return fault(
    'peer-unreachable',
    tried,
    'no answer to anything',
    `see that ${name} is up; then look for a firewall between the nodes`,
  );
};

const heartbeats = (config: VipdConfig, here: Heard, there: Heard): readonly Finding[] => {
  const { name } = config.peer;
  const { port } = config.heartbeat;
  const tried = `looked whether heartbeats (UDP port ${port}) pass between ${config.self.name} and ${name}`;
  const open = (direction: string): string =>
    `let UDP port ${port} pass ${direction} (firewall on either host, or between)`;
  if (here === 'silent' && there === 'silent')
    return [fault('heartbeats', tried, 'neither node hears the other', open('both ways'))];
  if (here === 'silent')
    return [
      fault(
        'one-way',
        tried,
        `${name} hears this node, and is not heard here`,
        open(`from ${name} to ${config.self.name}`),
      ),
    ];
  if (there === 'silent')
    return [
      fault(
        'one-way',
        tried,
        `${name} is heard here, and does not hear this node`,
        open(`from ${config.self.name} to ${name}`),
      ),
    ];
  if (here === 'unknown' || there === 'unknown') return [skipped('heartbeats', tried, 'only one side could be asked')];
  return [ok('heartbeats', tried, 'each hears the other')];
};

export const judgeWitness = (subject: Subject, name: string, here: Heard): Finding => {
  const { config, peer } = subject;
  const witness = config.witnesses.find((one) => one.name === name);
  const tried = `looked whether the witness ${name} (${witness?.address} port ${witness?.port}, UDP) is heard`;
  if (here === 'heard') return ok('witness', tried, 'it is');
  if (here === 'unknown') return skipped('witness', tried, 'it could not be asked from here');
  const there = peer.kind === 'facts' ? heardBy(peer.facts, name, config.heartbeat.leaseMs) : 'unknown';
  if (there === 'heard') {
    const found = `it is not, though ${config.peer.name} hears it`;
    const remedy = `look for a firewall between ${config.self.name} and ${name} (both ways), and that its key_file is ours`;
    return fault('witness-path', tried, found, remedy);
  }
  const also = there === 'silent' ? `, and neither does ${config.peer.name} hear it` : '';
  return fault(
    'witness',
    tried,
    `it is not${also}`,
    `see that vipd-witness runs on ${name} with this group, the same key_file and the same nodes, and that UDP passes both ways`,
  );
};

/** Frames that came from an address of the group and not with its key. */
export const judgeFrames = ({ config, status }: Subject): readonly Finding[] => {
  const tried = 'read how many frames were dropped because their key was another';
  const count = status?.counters.framesDropped['bad-mac'] ?? 0;
  if (status === null) return [];
  if (count === 0) return [ok('bad-mac', tried, 'none')];
  return [
    warning('bad-mac', tried, `${count} since the agent started`, `if the count still rises, ${keyRemedy(config)}`),
  ];
};

/** Two nodes that differ here would act on different rules. */
export const judgeSettings = ({ config, peer, status, digest }: Subject): readonly Finding[] => [
  ...inForce(status, digest),
  ...(peer.kind === 'facts' ? compareSettings(config, peer.facts) : []),
];

const inForce = (status: Status | null, digest: string): readonly Finding[] => {
  if (status === null) return [];
  const tried = `compared ${status.config.path} with what the agent has in force`;
  if (status.config.version === digest) return [ok('config-in-force', tried, `both are ${digest}`)];
  const found = `the file is ${digest}, in force is ${status.config.version}`;
  return [warning('config-in-force', tried, found, '"vipctl reload", or a restart where it refuses')];
};

const LEASE_KEYS: readonly string[] = ['heartbeat.interval', 'heartbeat.dead_after'];

const compareSettings = (config: VipdConfig, facts: Facts): readonly Finding[] => {
  const { name } = config.peer;
  const tried = `compared the settings with those of ${name}`;
  const ours = sharedSettings(config);
  const different = Object.entries(ours).filter(
    ([key, value]) => facts.settings[key] !== undefined && facts.settings[key] !== value,
  );
  if (different.length === 0) return [ok('settings', tried, 'they agree')];
  const shown = different.map(([key, value]) => `${key} is ${value} here and ${facts.settings[key]} there`);
  const lease = different.some(([key]) => LEASE_KEYS.includes(key));
  return [
    fault(
      lease ? 'lease' : 'settings',
      tried,
      shown.join('; '),
      'make the two files say the same, then reload or restart vipd as "vipctl reload" tells',
    ),
  ];
};

/** Ordinary NTP keeps hosts within a few milliseconds. */
const SKEW_MS = 1_000;

export const judgeClock = (peer: PeerAnswer, peerName: string): readonly Finding[] => {
  if (peer.kind !== 'facts') return [];
  const tried = `compared the wall clocks of this host and ${peerName}`;
  const skewMs = Math.abs(peer.facts.wallMs - peer.askedWallMs);
  if (skewMs <= SKEW_MS) return [ok('clock', tried, 'they agree within a second')];
  const found = `they differ by ${formatDuration(Math.round(skewMs))}`;
  return [
    warning(
      'clock',
      tried,
      found,
      'run chrony or another NTP client; no decision of vipd depends on it, but logs cannot be compared',
    ),
  ];
};

export const judgeMtus = (own: readonly number[], { config, peer }: Subject): readonly Finding[] => {
  if (peer.kind !== 'facts') return [];
  const tried = `compared the MTU of the VIP's links with those of ${config.peer.name}`;
  const [ours, theirs] = [own, peer.facts.mtus].map((mtus) => [...new Set(mtus)].sort((a, b) => a - b).join(', '));
  if (ours === theirs) return [ok('mtu-pair', tried, `both ${ours}`)];
  const found = `${ours} here, ${theirs} there: what is larger than the smaller one is lost without a word`;
  return [fault('mtu-pair', tried, found, 'give all links of one network the same MTU')];
};
