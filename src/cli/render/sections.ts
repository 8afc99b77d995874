/** The parts of a status below its headline: tables of nodes, witnesses and VIPs, and the details of this node. */

import { formatAge, formatElapsed, formatWall } from '../../control/elapsed.js';
import type { Moment } from '../../control/moment.js';
import type {
  CheckStatus,
  LagStatus,
  NodeStatus,
  ReplicationStatus,
  Status,
  StepStatus,
} from '../../control/status.js';
import { type Cell, type CellInput, renderTable, type Table, type View } from './table.js';
import { hang, printable, printableLines } from './text.js';

const NONE = '-';

/** Lines of a failing check's output that are shown; `--json` has them all. */
const MAX_OUTPUT_LINES = 5;

export const nodeTable = (status: Status): Table => ({
  overflow: 'cut',
  headings: ['NODE', 'ROLE', 'HEALTH', 'DATABASE', 'REPLICATION', 'LAG', 'HEARD'],
  rows: status.nodes.map((node) => [
    node.self ? `${node.name} (here)` : node.name,
    roleCell(node),
    healthCell(node),
    databaseCell(node),
    replicationCell(node),
    node.lagMs === null ? NONE : formatElapsed(node.lagMs),
    node.self ? NONE : heardCell(node.agent.reachable, node.agent.heardMsAgo),
  ]),
});

/** What the nodes have, and since when they are what they are. */
export const dataTable = (status: Status): Table => ({
  overflow: 'cut',
  headings: ['NODE', 'PRIORITY', 'TERM', 'DATA OF', 'ROLE FOR', 'POSITION'],
  rows: status.nodes.map((node) => [
    node.name,
    String(node.priority),
    String(node.term),
    `term ${node.dataTerm}`,
    node.since === null ? NONE : formatElapsed(status.now.bootMs - node.since.bootMs),
    node.position === '' ? NONE : node.position,
  ]),
});

export const witnessTable = (status: Status): Table => ({
  overflow: 'cut',
  headings: ['WITNESS', 'ADDRESS', 'HEARD', 'PROMISE'],
  rows: status.witnesses.map((witness) => [
    witness.name,
    witness.address,
    heardCell(witness.reachable, witness.heardMsAgo),
    witness.promise === null
      ? NONE
      : `to ${witness.promise.to}, term ${witness.promise.term}, ${formatElapsed(witness.promise.leftMs)} left`,
  ]),
});

export const vipTable = (status: Status): Table =>
  addressTable('VIP', status, status.vips, status.active === status.node);

/** Without rows where none is configured. */
export const standbyVipTable = (status: Status): Table =>
  addressTable('STANDBY VIP', status, status.standbyVip?.vips ?? [], status.standbyVip?.holder === status.node);

const addressTable = (heading: string, status: Status, vips: Status['vips'], wanted: boolean): Table => ({
  overflow: 'cut',
  headings: [heading, 'INTERFACE', 'HERE', 'SINCE', 'ANNOUNCED'],
  rows: vips.map((vip) => [
    vip.address,
    vip.interface,
    presenceCell(wanted, vip.present),
    vip.since === null ? NONE : formatWall(vip.since.wall),
    vip.announced === null ? NONE : `${formatElapsed(status.now.bootMs - vip.announced.bootMs)} ago`,
  ]),
});

/** A label, its text, and lines to go below it. */
type Labelled = readonly [label: string, text: string, below?: readonly string[]];

/** One labelled line to each thing this node knows of itself. */
export const detailSection = (status: Status, view: View): readonly string[] => {
  const labelled: readonly Labelled[] = [
    ['Lease', leaseText(status)],
    ...standbyVipLine(status),
    ['Guard', status.protection.guard.map((l) => `${l.name} ${l.armed ? 'armed' : 'NOT ARMED'}`).join(', ') || 'none'],
    ['Partition', partitionText(status)],
    ['Semi-sync', semiSyncText(status)],
    ['Pause', pauseText(status)],
    ['Fence', fenceText(status)],
    ['Database', databaseText(status)],
    ['Lag', lagText(status)],
    ...status.checks.map((check) => ['Check', checkText(check, status.now), outputLines(check)] as const),
    ['Hooks', status.hooks.failures.length === 0 ? 'no failures' : `${status.hooks.failures.length} FAILED, see above`],
    ['Frames', framesText(status)],
    ['Stalls', stallsText(status)],
    ['Agent', agentText(status)],
  ];
  const width = Math.max(...labelled.map(([label]) => label.length)) + 2;
  return labelled.flatMap(([label, text, below = []]) => [
    ...hang(view.style.paint('heading', label) + ' '.repeat(width - label.length), width, printable(text), view.width),
    ...below.map((line) => ' '.repeat(width) + line),
  ]);
};

/** The last change of who is active, and how long each step of it took. */
export const changeSection = (status: Status, view: View): readonly string[] => {
  const change = status.lastChange;
  if (change === null) return [];
  const text = `${formatWall(change.at.wall)}  ${change.node}: ${change.from} to ${change.to} (${change.cause}): ${change.text}`;
  const title = 'Last change  ';
  return [
    ...hang(view.style.paint('heading', title), title.length, printable(text), view.width),
    ...(change.steps.length === 0 ? [] : renderTable(stepTable(change.steps), view)),
  ];
};

const stepTable = (steps: readonly StepStatus[]): Table => ({
  overflow: 'wrap',
  headings: ['  STEP', 'RESULT', 'TOOK', 'DETAIL'],
  rows: steps.map((step) => [
    `  ${step.name}`,
    step.ok ? 'done' : { text: 'FAILED', tone: 'bad' },
    formatElapsed(step.tookMs),
    step.text,
  ]),
});

/** What a silent node said last goes in brackets. */
const lastWord = (node: NodeStatus, cell: Cell): Cell =>
  node.agent.reachable || cell.text === NONE ? cell : { text: `(${cell.text})`, tone: 'faint' };

const roleCell = (node: NodeStatus): Cell => lastWord(node, { text: node.role, tone: node.active ? 'good' : 'plain' });

const healthCell = (node: NodeStatus): CellInput => {
  if (!node.agent.reachable) return { text: 'SILENT', tone: 'bad' };
  switch (node.health) {
    case 'ok':
      return 'ok';
    case 'failed':
      return { text: 'FAILED', tone: 'bad' };
    case 'unknown':
      return { text: 'unknown', tone: 'caution' };
  }
};

const databaseCell = (node: NodeStatus): CellInput => {
  if (node.readOnly === null) return NONE;
  const tone = node.readOnly === node.active ? 'bad' : 'plain';
  return lastWord(node, { text: node.readOnly ? 'read-only' : 'writable', tone });
};

const replicationCell = (node: NodeStatus): CellInput => lastWord(node, channelCell(node.replication));

const channelCell = ({ running, io, sql, error }: ReplicationStatus): Cell => {
  if (running === true) return { text: 'running', tone: 'plain' };
  if (error !== '') return { text: 'BROKEN', tone: 'bad' };
  if (io === 'connecting') return { text: 'connecting', tone: 'caution' };
  if (io !== null && sql !== null && io !== sql)
    return { text: io === 'running' ? 'sql stopped' : 'io stopped', tone: 'caution' };
  return running === false ? { text: 'stopped', tone: 'caution' } : { text: NONE, tone: 'plain' };
};

const heardCell = (reachable: boolean, heardMsAgo: number | null): Cell => {
  const text = heardMsAgo === null ? 'never' : `${formatElapsed(heardMsAgo)} ago`;
  return { text, tone: reachable ? 'plain' : 'bad' };
};

const presenceCell = (wanted: boolean, present: boolean): CellInput => {
  const text = present ? 'present' : 'absent';
  return present === wanted ? text : { text: text.toUpperCase(), tone: 'bad' };
};

const standbyVipLine = ({ standbyVip }: Status): readonly Labelled[] =>
  standbyVip === null ? [] : [['Standby VIP', `with ${standbyVip.holder ?? 'nobody'}: ${standbyVip.why}`]];

const leaseText = ({ lease }: Status): string => {
  const length = formatElapsed(lease.lengthMs);
  return lease.leftMs === null
    ? `none held here (length ${length})`
    : `${formatElapsed(lease.leftMs)} of ${length} left`;
};

const partitionText = ({ protection, witnesses }: Status): string => {
  if (protection.partitionCanSplit) return 'NO WITNESS: a partition can split this group';
  return `cannot split this group: ${witnesses.map((w) => w.name).join(', ')} vote${witnesses.length === 1 ? 's' : ''} too`;
};

const semiSyncText = ({ protection: { semiSync } }: Status): string => {
  if (semiSync.mode === 'off') return 'off';
  const on = semiSync.on === null ? 'not the source here' : semiSync.on ? 'on' : 'OFF';
  const sync = semiSync.sync === null ? '' : semiSync.sync ? ', in sync' : ', NOT IN SYNC';
  const replicas = semiSync.replicas === null ? '' : `, ${semiSync.replicas} acknowledging`;
  return `${on}${sync}${replicas} (${semiSync.mode})`;
};

const pauseText = ({ pause, now }: Status): string => {
  if (!pause.on) return 'off';
  const since = pause.since === null ? '' : ` since ${formatAge(pause.since, now)}`;
  return `PAUSED${since}${pause.leftMs < 0 ? '' : `, ends in ${formatElapsed(pause.leftMs)}`}`;
};

const fenceText = ({ protection: { fence } }: Status): string => {
  if (!fence.configured) return 'no command configured';
  const last =
    fence.last === null ? 'never run' : `${formatWall(fence.last.at.wall)} ${fence.last.ok ? 'done' : 'FAILED'}`;
  return `${last}${fence.required ? ', required' : ''}`;
};

const databaseText = ({ database }: Status): string => {
  const mode = database.readOnly === null ? '' : database.readOnly ? ', read-only' : ', writable';
  const version = database.version === '' ? '' : `, ${database.version}`;
  const detail = database.detail === '' ? '' : `: ${database.detail}`;
  return `${database.state === 'ok' || database.state === 'unknown' ? database.state : database.state.toUpperCase()}${mode}${version}${detail}`;
};

/** Where it comes from: what comes in, what is applied, by how many, and what is open for long. */
const lagText = ({ database: { lag }, nodes }: Status): string => {
  if (lag === null) return 'not known yet';
  const active = nodes.find((node) => node.self)?.active === true;
  const { writesPerSecond: writes, workers, busyWorkers, longestTransactionMs: longest } = lag;
  return [
    writes === null ? '' : `${rate(writes)} ${active ? 'committed' : 'received'}`,
    active ? '' : applyText(lag),
    active || workers === null
      ? ''
      : workers === 0
        ? 'one thread applies'
        : `${busyWorkers} of ${workers} workers busy`,
    longest === null || longest === 0 ? '' : `the longest transaction is ${formatElapsed(longest)} old`,
  ]
    .filter((part) => part !== '')
    .join(', ');
};

const applyText = ({ backlog, appliesPerSecond, applyMs, catchUpMs }: LagStatus): string => {
  if (backlog === 0) return 'all applied';
  const speed = appliesPerSecond === null ? '' : `, ${rate(appliesPerSecond)} applied`;
  const left = applyMs === null ? ', nothing moves' : `, ${formatElapsed(applyMs)} left without new ones`;
  const level = catchUpMs === null ? 'falls further behind' : `level in ${formatElapsed(catchUpMs)}`;
  return `${backlog} TO APPLY${speed}${left}${applyMs === null ? '' : `, ${level}`}`;
};

const rate = (perSecond: number): string => `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`;

const checkText = (check: CheckStatus, now: Moment): string => {
  const verdict = check.ok === null ? 'no verdict yet' : check.ok ? 'ok' : 'FAILED';
  const since = check.since === null ? '' : ` for ${formatElapsed(now.bootMs - check.since.bootMs)}`;
  return `${check.name} ${verdict}${since}${check.detail === '' ? '' : `: ${check.detail}`}`;
};

const outputLines = (check: CheckStatus): readonly string[] => {
  if (check.ok !== false || check.output.trim() === '') return [];
  const lines = printableLines(check.output.trimEnd());
  const shown = lines.slice(0, MAX_OUTPUT_LINES).map((line) => `| ${line}`);
  const more = lines.length - shown.length;
  return more > 0 ? [...shown, `| (${more} more lines with --json)`] : shown;
};

const framesText = ({ counters }: Status): string => {
  const dropped = Object.entries(counters.framesDropped).filter(([, count]) => count > 0);
  const causes = dropped.map(([cause, count]) => `${count} ${cause}`).join(', ');
  return `${counters.framesAccepted} accepted, ${causes === '' ? 'none dropped' : `dropped: ${causes}`}`;
};

const stallsText = ({ counters: { stalls } }: Status): string =>
  stalls.count === 0 ? 'none' : `${stalls.count}, the longest ${formatElapsed(stalls.longestMs)}`;

const agentText = ({ version, config }: Status): string => {
  const digest = config.version === '' ? '' : `, configuration ${config.version}`;
  return `vipd ${version}, ${config.path}${digest}${config.loaded === null ? '' : ` loaded ${formatWall(config.loaded.wall)}`}`;
};
