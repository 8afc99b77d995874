/** What is wrong with a group, worst first, and what to do about each: for `vipctl`, `--json` and monitoring alike. */

import { formatAge, formatElapsed, formatWall } from './elapsed.js';
import { lagProblems } from './lag-problem.js';
import { nodeProblems, takesOver } from './node-problems.js';
import type { Problem, Severity } from './problem.js';
import { standbyVipProblems } from './standby-vip-problems.js';
import type { Status } from './status.js';

export type { Problem, Severity } from './problem.js';

const RANK = { critical: 0, warning: 1, note: 2 } as const satisfies Record<Severity, number>;

/** Everything wrong that `status` shows, worst first. Pure. */
export const diagnose = (status: Status): readonly Problem[] =>
  [
    ...writerProblems(status),
    ...pauseProblems(status),
    ...status.nodes.flatMap((node) => nodeProblems(status, node)),
    ...guardProblems(status),
    ...vipProblems(status),
    ...standbyVipProblems(status),
    ...localProblems(status),
    ...lagProblems(status),
    ...reloadProblems(status),
    ...witnessProblems(status),
    ...semiSyncProblems(status),
  ].toSorted((a, b) => RANK[a.severity] - RANK[b.severity]);

/** One sentence: who is active and what is wrong, without the word for how bad it is. */
export const headline = (status: Status, problems: readonly Problem[]): string => {
  const briefs = new Set(problems.filter((p) => p.severity !== 'note').map((p) => p.brief));
  const worst = [...briefs].join('; ');
  if (status.noWriter || status.active === null) return `${status.group}: ${worst}`;
  const heard = status.nodes.find((n) => n.name === status.active)?.agent.reachable === true;
  const active = `${status.group}: ${status.active} ${heard ? 'is active' : 'was active when last heard'}`;
  return worst === '' ? `${active}, all is well` : `${active}; ${worst}`;
};

const writerProblems = (status: Status): readonly Problem[] => {
  const actives = status.nodes.filter((n) => n.active && n.agent.reachable).map((n) => n.name);
  if (actives.length > 1) {
    const text = `${actives.join(' and ')} both say that they are active`;
    const next = 'compare "vipctl status" on both; stop vipd on the one with the lower term';
    return [{ severity: 'critical', brief: 'two nodes active', text, next }];
  }
  if (status.noWriter) return [noWriter(status)];
  if (status.active !== null) return [];
  const text = `${status.node} does not know who is active`;
  return [
    { severity: 'warning', brief: 'active node not known', text, next: 'ask the other node: "vipctl status" there' },
  ];
};

const noWriter = (status: Status): Problem => {
  const { noWriterSince: since, now } = status;
  const lasting = since === null ? '' : ` for ${formatElapsed(now.bootMs - since.bootMs)}`;
  const text = `nobody accepts writes through the VIP${lasting}`;
  const busy = status.nodes.find(takesOver);
  const brief = busy === undefined ? `nobody accepts writes${lasting}` : `${busy.name} is taking over`;
  if (busy !== undefined) {
    const progress = busy.progress === '' ? '' : `: ${busy.progress}`;
    return { severity: 'critical', brief, text: `${text}; ${busy.name} is taking over${progress}`, next: '' };
  }
  const next = status.pause.on ? '"vipctl resume", so that a node may take over' : 'see what each node says below';
  return { severity: 'critical', brief, text, next };
};

const pauseProblems = (status: Status): readonly Problem[] => {
  if (!status.pause.on) return [];
  const { leftMs, since } = status.pause;
  const from = since === null ? '' : ` since ${formatAge(since, status.now)}`;
  const until = leftMs < 0 ? '' : `; it ends by itself in ${formatElapsed(leftMs)}`;
  const text = `the group is paused${from}: nothing moves by itself, not even when ${status.active ?? 'a node'} dies${until}`;
  return [{ severity: 'warning', brief: 'paused', text, next: '"vipctl resume"' }];
};

const guardProblems = (status: Status): readonly Problem[] => {
  const here = status.active === status.node;
  return status.protection.guard
    .filter((layer) => !layer.armed)
    .map((layer) => ({
      severity: here ? 'critical' : 'warning',
      brief: `guard ${layer.name} not armed`,
      text: `the guard's layer "${layer.name}" is not armed on ${status.node}${layer.detail === '' ? '' : `: ${layer.detail}`}`,
      next: here ? '"vipctl switchover", then see "journalctl -u vipd"' : 'see "journalctl -u vipd"',
    }));
};

const vipProblems = (status: Status): readonly Problem[] => {
  const self = status.nodes.find((n) => n.self);
  if (self === undefined) return [];
  return status.vips.flatMap((vip): readonly Problem[] => {
    const error = vip.error === '' ? '' : `: ${vip.error}`;
    const where = `${vip.address} on ${vip.interface}`;
    if (self.active && !vip.present) {
      const text = `${self.name} is active, but ${where} is not there${error}`;
      return [{ severity: 'critical', brief: 'VIP missing', text, next: `"ip address show dev ${vip.interface}"` }];
    }
    if (self.role === 'standby' && vip.present) {
      const text = `${self.name} is standby, but has ${where}${error}`;
      return [{ severity: 'critical', brief: 'VIP on the standby', text, next: 'see "journalctl -u vipd"' }];
    }
    return [];
  });
};

/** What only the answering node knows of itself: checks, database, hooks, fence, journal, stalls. */
const localProblems = (status: Status): readonly Problem[] => {
  const cause = status.nodes.find((n) => n.self)?.cause ?? '';
  const { database, lease, counters, protection } = status;
  const problems: Problem[] = [];
  for (const check of status.checks.filter((c) => c.ok === false && !cause.includes(c.name))) {
    const text = `check "${check.name}" fails: ${check.detail}`;
    problems.push({ severity: 'warning', brief: `check ${check.name} fails`, text, next: '' });
  }
  if (cause === '' && database.state !== 'ok' && database.state !== 'unknown') {
    const text = `the database on ${status.node} is ${database.state}: ${database.detail}`;
    problems.push({ severity: 'warning', brief: `database ${database.state}`, text, next: '' });
  }
  for (const failure of status.hooks.failures) {
    const text = `hook ${failure.phase}/${failure.name} failed at ${formatWall(failure.at.wall)}: ${failure.detail}`;
    problems.push({
      severity: 'warning',
      brief: 'a hook failed',
      text,
      next: 'do by hand what it should have done, then "vipctl resume" to acknowledge',
    });
  }
  if (database.events !== '') {
    const text = `events on ${status.node} do not run as they should: ${database.events}`;
    const next = `ALTER EVENT … ENABLE or DISABLE on ${status.node}, then "vipctl resume" to acknowledge`;
    problems.push({ severity: 'warning', brief: 'events not running', text, next });
  }
  if (protection.fence.last?.ok === false) {
    const text = `the fence command failed: ${protection.fence.last.detail}`;
    problems.push({ severity: 'warning', brief: 'fence failed', text, next: 'try the command of "fence" by hand' });
  }
  if (status.journal.problem !== '') {
    const text = `${status.journal.problem}; "vipctl history" on ${status.node} may come to miss entries`;
    const next = `see the disk on ${status.node} ("df", "dmesg"); what waits is written once it takes it`;
    problems.push({ severity: 'warning', brief: `no journal on ${status.node}`, text, next });
  }
  if (status.http?.listening === false) {
    const text = `the HTTP server does not listen on ${status.http.listen}, and tries again: ${status.http.error}`;
    const next = 'see who has the port ("ss -ltnp"), or change http.listen';
    problems.push({ severity: 'warning', brief: 'no HTTP', text, next });
  }
  if (counters.stalls.longestMs > lease.lengthMs) {
    const text = `this agent was once not scheduled for ${formatElapsed(counters.stalls.longestMs)}, longer than the lease of ${formatElapsed(lease.lengthMs)}`;
    problems.push({ severity: 'note', brief: 'stalls', text, next: '' });
  }
  return problems;
};

/** What an operator wrote, and the agent has not taken over. */
const reloadProblems = ({ config: { reload }, node }: Status): readonly Problem[] => {
  if (reload === null || reload.ok) return [];
  const text = `${node}, reload at ${formatWall(reload.at.wall)}: ${[reload.text, ...reload.details].join('; ')}`;
  const next = 'mend the file, then "vipctl reload"; what needs a restart is in force after one';
  return [{ severity: 'warning', brief: `reload refused on ${node}`, text, next }];
};

const witnessProblems = (status: Status): readonly Problem[] => [
  ...status.witnesses
    .filter((witness) => !witness.reachable)
    .map((witness) => ({
      severity: 'warning' as const,
      brief: `witness ${witness.name} silent`,
      text: `the witness ${witness.name} (${witness.address}) ${witness.heardMsAgo === null ? 'has not been heard yet' : `was last heard ${formatElapsed(witness.heardMsAgo)} ago`}`,
      next: `see that the witness runs on ${witness.name}, and that UDP passes both ways`,
    })),
  ...(status.protection.partitionCanSplit
    ? [
        {
          severity: 'note' as const,
          brief: 'no witness',
          text: 'without a witness a partition can split this group: both nodes could come to serve',
          next: 'set up a witness on a third host, and name it under "witnesses"',
        },
      ]
    : []),
];

const semiSyncProblems = (status: Status): readonly Problem[] => {
  const { mode, sync } = status.protection.semiSync;
  if (mode === 'off' || sync !== false || status.active === null) return [];
  const text = `commits do not wait for the standby now: the death of ${status.active}'s host could lose the newest`;
  return [{ severity: mode === 'manage' ? 'warning' : 'note', brief: 'not in sync', text, next: '' }];
};
