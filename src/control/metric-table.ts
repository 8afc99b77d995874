/**
 * Every metric: its name, its meaning and where in the status it stands.
 *
 * Names by Prometheus' "Metric and label naming": base units, in the name; counters end in `_total`. What is not known has
 * no sample. Labels have values from lists that the configuration or this program bounds, never from clients.
 */

import { ROLES } from '../core/message.js';
import type { DatabaseReport } from '../core/types.js';
import type { Severity } from './diagnosis.js';
import { HOLD_NAMES } from './holds.js';
import { LAG_METRICS } from './lag-metrics.js';
import {
  counter,
  flag,
  gauge,
  labelled,
  type Metric,
  MS_PER_SECOND,
  one,
  type Sample,
  seconds,
  states,
  unixSeconds,
} from './metric.js';
import { unreadable } from './readers.js';
import type { Report } from './report.js';
import type { VoterFrames } from './status.js';

const DATABASE_STATES = {
  ok: true,
  down: true,
  'shutting-down': true,
  hanging: true,
  denied: true,
  full: true,
  failed: true,
  unknown: true,
} as const satisfies Record<DatabaseReport['state'] | 'unknown', true>;

const SEVERITIES = { critical: true, warning: true, note: true } as const satisfies Record<Severity, true>;

const self: readonly Metric[] = [
  gauge(
    'vipd_build_info',
    'Version of the agent; always 1.',
    ({ report }) => labelled('version', [[report.version, 1]]),
    ['version'],
  ),
  gauge(
    'vipd_config_info',
    'Digest of the configuration file as loaded; always 1.',
    ({ report }) => labelled('digest', [[report.config.version, 1]]),
    ['digest'],
  ),
  gauge('vipd_config_loaded_timestamp_seconds', 'When the configuration was loaded, in Unix time.', ({ report }) =>
    unixSeconds(report.config.loaded),
  ),
  gauge(
    'vipd_role',
    "The node's role: 1 for the one it has, 0 for the others.",
    (facts) => states('role', ROLES, [facts.self.role]),
    ['role'],
  ),
  gauge(
    'vipd_active',
    '1 while the node serves clients under a lease that has not run out, as /active answers.',
    ({ active }) => flag(active),
  ),
  gauge(
    'vipd_standby_readable',
    '1 while the node is a healthy standby that replicates, as /standby answers.',
    ({ report }) => flag(unreadable(report, null) === ''),
  ),
  gauge('vipd_takeover_ready', '1 while a standby could take over; none for the active.', (facts) =>
    flag(facts.self.active ? null : facts.self.role === 'standby' && facts.self.unfit === ''),
  ),
  gauge('vipd_healthy', '1 while database, links and checks of the node are well, as /health answers.', (facts) =>
    flag(facts.self.health === 'ok'),
  ),
  gauge(
    'vipd_check_ok',
    '1 while the check passes, 0 while it fails; none before its first verdict.',
    ({ report }) =>
      labelled(
        'check',
        report.checks.flatMap(({ name, ok }) => (ok === null ? [] : [[name, Number(ok)] as const])),
      ),
    ['check'],
  ),
  gauge(
    'vipd_hold',
    '1 while the node holds for this reason, and so does not act.',
    (facts) =>
      states(
        'hold',
        HOLD_NAMES,
        facts.self.holds.map(({ name }) => name),
      ),
    ['hold'],
  ),
  gauge(
    'vipd_problems',
    'What vipctl status lists as wrong, by severity.',
    ({ report }) =>
      labelled(
        'severity',
        Object.keys(SEVERITIES).map((severity) => [
          severity,
          report.problems.filter((problem) => problem.severity === severity).length,
        ]),
      ),
    ['severity'],
  ),
  gauge('vipd_hook_failures', 'Hooks whose newest run failed and that nobody has acknowledged.', ({ report }) =>
    one(report.hooks.failures.length),
  ),
  gauge('vipd_events_degraded', '1 while this node is active and its events do not run as they should.', ({ report }) =>
    flag(report.database.events !== ''),
  ),
];

const group: readonly Metric[] = [
  gauge(
    'vipd_no_writer',
    '1 while, to the knowledge of this node, nobody accepts writes through the VIP.',
    ({ report }) => flag(report.noWriter),
  ),
  gauge(
    'vipd_no_writer_duration_seconds',
    'For how long nobody has accepted writes; 0 while somebody does.',
    ({ report }) => seconds(report.noWriterSince ? report.now.bootMs - report.noWriterSince.bootMs : 0),
  ),
  gauge(
    'vipd_term',
    'The highest term that this node knows: each new owner of the VIP has a higher one.',
    ({ report }) => one(report.term),
  ),
  gauge('vipd_data_term', 'The newest term that this node owned or replicated from.', (facts) =>
    one(facts.self.dataTerm),
  ),
  gauge('vipd_paused', '1 while an operator has paused the group.', ({ report }) => flag(report.pause.on)),
  gauge(
    'vipd_partition_can_split',
    '1 for a group without a witness: a partition can leave two nodes active.',
    ({ report }) => flag(report.protection.partitionCanSplit),
  ),
  gauge('vipd_last_change_timestamp_seconds', 'When who is active changed last, in Unix time.', ({ report }) =>
    unixSeconds(report.lastChange?.at),
  ),
  gauge(
    'vipd_last_change_step_duration_seconds',
    'What each step of that change took on this node.',
    ({ report }) => {
      const took = new Map<string, number>();
      for (const { name, tookMs } of report.lastChange?.steps ?? [])
        took.set(name, (took.get(name) ?? 0) + tookMs / MS_PER_SECOND);
      return labelled('step', took);
    },
    ['step'],
  ),
  gauge('vipd_peer_reachable', '1 while the agent of the other node is heard.', ({ peer }) =>
    flag(peer.agent.reachable),
  ),
  gauge(
    'vipd_peer_silence_seconds',
    "Age of the other node's newest frame; none where it was never heard.",
    ({ peer }) => seconds(peer.agent.heardMsAgo),
  ),
  gauge(
    'vipd_path_up',
    '1 while the path to the other node can be used.',
    ({ peer }) =>
      labelled(
        'path',
        peer.agent.paths.map(({ name, up }) => [name, Number(up)]),
      ),
    ['path'],
  ),
  gauge(
    'vipd_witness_reachable',
    '1 while the witness is heard.',
    ({ report }) =>
      labelled(
        'witness',
        report.witnesses.map(({ name, reachable }) => [name, Number(reachable)]),
      ),
    ['witness'],
  ),
];

const protection: readonly Metric[] = [
  gauge('vipd_lease_seconds', 'How long a lease is: interval times dead_after.', ({ report }) =>
    seconds(report.lease.lengthMs),
  ),
  gauge('vipd_lease_remaining_seconds', "What is left of this node's lease; none where it holds none.", ({ report }) =>
    seconds(report.lease.leftMs),
  ),
  gauge(
    'vipd_guard_armed',
    '1 while this layer of the guard would shut the VIP without the agent, and keeps out no client whom it should let in.',
    ({ report }) =>
      labelled(
        'layer',
        report.protection.guard.map(({ name, armed }) => [name, Number(armed)]),
      ),
    ['layer'],
  ),
  gauge(
    'vipd_fence_ok',
    '1 where the fence command worked when it was run last; none where it was not run.',
    ({ report }) => flag(report.protection.fence.last?.ok ?? null),
  ),
  gauge(
    'vipd_vip_present',
    "1 while the VIP is on this node's interface, as the kernel says.",
    ({ report }) =>
      report.vips.map((vip) => ({
        labels: { address: vip.address, interface: vip.interface },
        value: Number(vip.present),
      })),
    ['address', 'interface'],
  ),
  gauge(
    'vipd_standby_vip_held',
    '1 while this node has the standby VIP; none where none is configured.',
    ({ report }) => flag(report.standbyVip && report.standbyVip.holder === report.node),
  ),
  gauge(
    'vipd_standby_vip_on_active',
    '1 while the active has it, for want of a standby that is fit and near enough; none where none is configured.',
    ({ report }) =>
      flag(report.standbyVip && report.standbyVip.holder !== null && report.standbyVip.holder === report.active),
  ),
  gauge(
    'vipd_standby_vip_lease_remaining_seconds',
    'What is left of the lease under which this node has the standby VIP; none where it has not.',
    ({ report }) => seconds(report.standbyVip?.leftMs ?? null),
  ),
  gauge(
    'vipd_semi_sync_enabled',
    '1 while commits on the active wait for the standby; none on the standby.',
    ({ report }) => flag(report.protection.semiSync.on),
  ),
  gauge(
    'vipd_semi_sync_in_sync',
    '1 while a majority has recorded that nothing acknowledged can be missing on the standby.',
    ({ report }) => flag(report.protection.semiSync.sync),
  ),
  gauge(
    'vipd_semi_sync_replicas',
    'Replicas attached to the active that acknowledge; none on the standby.',
    ({ report }) => one(report.protection.semiSync.replicas),
  ),
];

const database: readonly Metric[] = [
  gauge(
    'vipd_database_state',
    "The state of this node's database: 1 for the one it has, 0 for the others.",
    ({ report }) => states('state', Object.keys(DATABASE_STATES), [report.database.state]),
    ['state'],
  ),
  gauge('vipd_database_read_only', "1 while this node's database is read-only.", ({ report }) =>
    flag(report.database.readOnly),
  ),
  gauge(
    'vipd_replication_running',
    "1 while this thread of the node's channel from the other runs.",
    (facts) => {
      const { io, sql } = facts.self.replication;
      return labelled(
        'thread',
        Object.entries({ io, sql }).flatMap(([thread, state]) =>
          state === null ? [] : [[thread, Number(state === 'running')] as const],
        ),
      );
    },
    ['thread'],
  ),
  gauge(
    'vipd_replication_lag_seconds',
    'How far the replication of this node is behind, as its server says; none where it does not know.',
    (facts) => seconds(facts.self.lagMs),
  ),
  ...LAG_METRICS,
];

const ofVoters = (report: Report, countOf: (frames: VoterFrames) => number): readonly Sample[] =>
  labelled(
    'voter',
    Object.entries(report.counters.frames).map(([voter, frames]) => [voter, countOf(frames)]),
  );

const counters: readonly Metric[] = [
  counter(
    'vipd_role_changes_total',
    'How often the node has entered the role since its agent started.',
    ({ report }) =>
      labelled(
        'role',
        ROLES.map((role) => [role, report.counters.roles[role] ?? 0]),
      ),
    ['role'],
  ),
  counter(
    'vipd_journal_entries_total',
    'Entries that the agent wrote into its journal, by kind.',
    ({ report }) => labelled('kind', Object.entries(report.counters.journal)),
    ['kind'],
  ),
  counter(
    'vipd_frames_sent_total',
    'Heartbeat frames for each voter; one that goes by several paths counts once.',
    ({ report }) => ofVoters(report, ({ sent }) => sent),
    ['voter'],
  ),
  counter(
    'vipd_frames_accepted_total',
    'Heartbeat frames that were genuine and new, by the voter that sent them.',
    ({ report }) => ofVoters(report, ({ accepted }) => accepted),
    ['voter'],
  ),
  counter(
    'vipd_frames_dropped_total',
    'Frames that were dropped, by cause; "duplicate" is what several paths bring.',
    ({ report }) => labelled('cause', Object.entries(report.counters.framesDropped)),
    ['cause'],
  ),
  counter('vipd_stalls_total', 'Times that the agent was not scheduled for longer than an interval.', ({ report }) =>
    one(report.counters.stalls.count),
  ),
  gauge('vipd_stall_longest_seconds', 'The longest of these times since the agent started.', ({ report }) =>
    seconds(report.counters.stalls.longestMs),
  ),
  counter(
    'vipd_http_requests_total',
    'Answers that the HTTP server has given.',
    ({ requests }) => requests.map(({ path, code, count }) => ({ labels: { path, code: String(code) }, value: count })),
    ['path', 'code'],
  ),
  counter('process_cpu_seconds_total', 'User and system time that the agent has spent.', ({ process }) =>
    one(process.cpuSeconds),
  ),
  gauge('process_resident_memory_bytes', 'Memory of the agent that is resident.', ({ process }) =>
    one(process.residentBytes),
  ),
  gauge('process_start_time_seconds', 'When the agent started, in Unix time.', ({ process }) =>
    seconds(process.startedUnixMs),
  ),
];

export const METRICS: readonly Metric[] = [...self, ...group, ...protection, ...database, ...counters];
