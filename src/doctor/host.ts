/** Checks of this host's rights and libraries: capabilities, nftables, packet sockets, the state directory, hooks. */

import { mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { HOOK_PHASES, readHooks } from '../host/hook-directory.js';
import { createRecordStore } from '../host/store.js';
import { guardRules } from '../net/guard-rules.js';
import { openNftables } from '../net/nftables.js';
import { openFrameSender } from '../net/packet.js';
import { type AgentUser, agentUser, asAgent } from './agent-user.js';
import { type Finding, fault, messageOf, ok, skipped, warning } from './finding.js';
import type { Subject } from './subject.js';

/** Bits of capabilities(7), with what vipd does with each. */
const NEEDED = [
  { bit: 12, name: 'CAP_NET_ADMIN', why: 'addresses, nftables, destroying sockets' },
  { bit: 13, name: 'CAP_NET_RAW', why: 'ARP and neighbour frames' },
] as const;
const USEFUL = [
  { bit: 5, name: 'CAP_KILL', why: 'ending health scripts and a mysqld that hangs' },
  { bit: 2, name: 'CAP_DAC_READ_SEARCH', why: 'reading the binary logs, for salvage' },
] as const;
const UNIT = 'give it in the unit (AmbientCapabilities=, CapabilityBoundingSet=), or run vipd as root';

export const checkCapabilities = ({ agentPid }: Subject): readonly Finding[] => {
  const whose = agentPid === null ? 'this command, as no agent runs' : `the agent, process ${agentPid}`;
  const tried = `read the capabilities of ${whose}`;
  try {
    const status = readFileSync(`/proc/${agentPid ?? 'self'}/status`, 'utf8');
    const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
    const lacks = ({ bit }: { readonly bit: number }): boolean => (held & (1n << BigInt(bit))) === 0n;
    const told = (list: readonly { readonly name: string; readonly why: string }[]): string =>
      list.map(({ name, why }) => `${name} (${why})`).join(', ');
    const [missing, missed] = [NEEDED.filter(lacks), USEFUL.filter(lacks)];
    if (missing.length > 0) return [fault('capabilities', tried, `it lacks ${told(missing)}`, UNIT)];
    if (missed.length > 0) return [warning('capabilities', tried, `it lacks ${told(missed)}`, UNIT)];
    return [ok('capabilities', tried, 'all that it needs')];
  } catch (cause) {
    return [skipped('capabilities', tried, messageOf(cause))];
  }
};

/** sched(7), as field 41 of /proc/PID/stat has it (proc(5)). */
const REAL_TIME: readonly string[] = ['1', '2'];
/** The fields after the name, which stands in brackets and may hold anything, begin with the third. */
const POLICY_FIELD = 41 - 3;

export const checkScheduling = ({ agentPid }: Subject): readonly Finding[] => {
  if (agentPid === null) return [];
  const tried = `read how the agent, process ${agentPid}, is scheduled`;
  try {
    const stat = readFileSync(`/proc/${agentPid}/stat`, 'utf8');
    const policy = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[POLICY_FIELD] ?? '';
    if (REAL_TIME.includes(policy)) return [ok('real-time', tried, 'in real time')];
    const remedy =
      'LimitRTPRIO=1 in its unit, then a restart; in a container that may raise no limits, AmbientCapabilities=CAP_SYS_NICE and CapabilityBoundingSet=CAP_SYS_NICE in a drop-in';
    return [warning('real-time', tried, 'like any other: a busy host may cost it the lease', remedy)];
  } catch (cause) {
    return [skipped('real-time', tried, messageOf(cause))];
  }
};

/** Named unlike any guard, so that one in use is not touched. */
const TRIAL_GROUP = 'doctor-trial';

export const checkNftables = ({ config }: Subject): readonly Finding[] => {
  const tried = 'made and removed nftables tables like the guard';
  if (config.guard === 'address') return [skipped('nftables', tried, 'guard: address does without')];
  try {
    const nft = openNftables();
    const rules = guardRules(TRIAL_GROUP, config.vips);
    try {
      nft.run(rules.install);
      nft.run(rules.remove);
    } finally {
      nft.close();
    }
    return [ok('nftables', tried, 'the kernel took them')];
  } catch (cause) {
    const remedy =
      'install nftables and libnftables1, and see that the kernel has nf_tables with fib and ct; without them, guard: address';
    return [fault('nftables', tried, messageOf(cause), remedy)];
  }
};

export const checkPacketSocket = (): readonly Finding[] => {
  const tried = 'opened a packet socket, as for announcements';
  try {
    openFrameSender().close();
    return [ok('packet-socket', tried, 'it opens')];
  } catch (cause) {
    return [
      fault(
        'packet-socket',
        tried,
        messageOf(cause),
        'CAP_NET_RAW and AF_PACKET must not be shut out (unit, container)',
      ),
    ];
  }
};

/** The record is rewritten at every vote; this is room for it many times over. */
const MIN_FREE_BYTES = 16 * 1024 * 1024;

export const checkState = async ({ config, agentPid }: Subject): Promise<readonly Finding[]> => {
  const { stateDirectory: directory, group, self } = config;
  const user = agentUser(agentPid);
  const tried = `wrote into ${directory}${described(user)}, and read the record of terms`;
  try {
    await asAgent(user, () => rmSync(mkdtempSync(join(directory, '.doctor-')), { recursive: true }));
  } catch (cause) {
    const remedy = `make ${directory} a directory that the agent's user can write (chown), on a disk that is mounted rw`;
    // A drop-in may give the unit another user, which only a running agent tells.
    const guessed = agentPid === null && user !== null && messageOf(cause).startsWith('EACCES');
    return [(guessed ? warning : fault)('state-directory', tried, messageOf(cause), remedy)];
  }
  const record = await createRecordStore({ directory, group, voter: self.name }).load();
  if (record.kind === 'unreadable') {
    const remedy = 'nothing is granted until the others told their terms; look at the disk, then restart vipd';
    return [fault('record', tried, `${record.cause}: ${record.why}`, remedy)];
  }
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < MIN_FREE_BYTES) {
    const found = `${Math.floor((bavail * bsize) / 1024)} kB are free there`;
    return [fault('state-directory', tried, found, 'make room: votes that cannot be written are refused')];
  }
  return [
    ok('state-directory', tried, record.kind === 'found' ? 'both can be had' : 'it can be written; no record yet'),
  ];
};

const described = (user: AgentUser | null): string => (user === null ? '' : ` as user id ${user.uid}, the agent's`);

export const checkHooks = async ({ config, agentPid }: Subject): Promise<readonly Finding[]> => {
  const user = agentUser(agentPid);
  const tried = `read the hooks in ${config.hooks.directory}${described(user)}`;
  const phases = await asAgent(user, () =>
    Promise.all(HOOK_PHASES.map((phase) => readHooks(config.hooks.directory, phase))),
  );
  const refused = phases.flatMap((phase) => phase.refused);
  if (refused.length > 0)
    return [fault('hooks', tried, refused.join('; '), 'a phase with such a file does not run: mend or remove it')];
  const passed = phases.flatMap((phase) => phase.skipped.map(({ file, why }) => `${file}: ${why}`));
  if (passed.length > 0)
    return [warning('hooks', tried, `left out: ${passed.join('; ')}`, 'rename it or make it executable, or remove it')];
  return [ok('hooks', tried, `${phases.reduce((sum, { run }) => sum + run.length, 0)} would run`)];
};
