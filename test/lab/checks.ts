/** What must hold in every scenario: one writer, nothing lost, no move without a reason, and a status that is right. */

import type { HistoryEntry, NodeStatus, Status } from '../../src/control/status.js';
import { SERVER_IDS } from './database.js';
import { type Lab, type Load, peerOf } from './lab.js';
import type { Attempt } from './load.js';
import { addressesOf, NODES, type NodeName } from './topology.js';

/** How many lost rows a message names. */
const NAMED_ROWS = 5;

/** An acknowledged write, and which server took it. */
export interface Write {
  readonly node: NodeName;
  readonly begin: number;
  readonly end: number;
}

/** Which node became active in which term, oldest first. */
export interface Move {
  readonly term: number;
  readonly node: NodeName;
  /** By the wall clock of that node, as its journal has it. */
  readonly at: string;
  readonly cause: string;
  readonly text: string;
}

/** What a row says of itself. */
export interface Row {
  /** Whose server took it. */
  readonly node: NodeName;
  /** When, in Unix microseconds of that server. */
  readonly takenAtUs: number;
}

/** The rows that a node has, by their number. */
export type Rows = ReadonlyMap<number, Row>;

export const rowsOf = async (lab: Lab, node: NodeName): Promise<Rows> => {
  const rows = await lab.database[node].sql('SELECT id, server_id, server_at_us FROM lab.writes');
  return new Map(
    rows.map((row) => [
      Number(row.id),
      { node: Number(row.server_id) === SERVER_IDS.db1 ? 'db1' : 'db2', takenAtUs: Number(row.server_at_us) },
    ]),
  );
};

export const allAttempts = (load: Load): readonly Attempt[] => [
  ...load.fresh.attempts,
  ...load.pinned.db1.attempts,
  ...load.pinned.db2.attempts,
];

/** The nodes' own account of who became active, from both journals. An undone handoff opens no new term. */
export const movesIn = (journals: Readonly<Record<NodeName, readonly HistoryEntry[]>>): readonly Move[] => {
  const opened = NODES.flatMap((node) => journals[node].filter(opensTerm).map((entry) => ({ ...entry, node })));
  const byTerm = new Map<string, Move>();
  for (const move of opened) {
    const key = `${move.term} ${move.node}`;
    if (!byTerm.has(key)) byTerm.set(key, move);
  }
  return [...byTerm.values()].sort((a, b) => a.term - b.term);
};

const opensTerm = (entry: HistoryEntry): boolean => entry.kind === 'transition' && entry.to === 'active';

/** Times that the active was another node than before. */
export const changesOf = (moves: readonly Move[]): number =>
  moves.filter((move, index) => index > 0 && moves[index - 1]?.node !== move.node).length;

/**
 * The fewest changes of the writing server that explain these writes. Two writes are in a certain order where one was
 * acknowledged before the other began; the answer is the longest chain of such writes in which the server alternates,
 * and taking the write that ends first at each step makes it longest.
 */
export const certainChanges = (writes: readonly Write[]): number => {
  const byEnd = [...writes].sort((a, b) => a.end - b.end);
  let last = byEnd[0];
  let changes = 0;
  for (const write of byEnd) {
    if (last === undefined || write.node === last.node || write.begin <= last.end) continue;
    last = write;
    changes += 1;
  }
  return changes;
};

/** Two servers that both take writes through the VIP alternate more often than the VIP has moved. */
export const checkOneWriter = (attempts: readonly Attempt[], rows: Rows, moves: readonly Move[]): readonly string[] => {
  const writes = attempts.flatMap((attempt): readonly Write[] => {
    const node = rows.get(attempt.id)?.node;
    return attempt.acknowledged && node !== undefined ? [{ node, begin: attempt.begin, end: attempt.end }] : [];
  });
  const seen = certainChanges(writes);
  const explained = changesOf(moves);
  if (seen <= explained) return [];
  return [`two writers: the server that takes writes changed ${seen} times, the active ${explained} times`];
};

/**
 * By the rows alone, acknowledged or not: no row was taken by both servers, and in the order of the servers' clocks, which
 * are one machine's here, the server changes no more often than the active.
 */
export const checkRowsInTurn = (
  tables: Readonly<Record<NodeName, Rows>>,
  moves: readonly Move[],
): readonly string[] => {
  const twice = [...tables.db1].filter(([id, { node }]) => (tables.db2.get(id)?.node ?? node) !== node);
  const problems = twice.slice(0, NAMED_ROWS).map(([id]) => `row ${id} was taken by both servers`);
  const inTurn = [...new Map([...tables.db1, ...tables.db2])].sort(([, a], [, b]) => a.takenAtUs - b.takenAtUs);
  const first = inTurn.filter(([, { node }], index) => index > 0 && inTurn[index - 1]?.[1].node !== node);
  const explained = changesOf(moves);
  if (first.length <= explained) return problems;
  const told = first.slice(-NAMED_ROWS).map(([id, { node, takenAtUs }]) => `${id} by ${node} at ${takenAtUs} us`);
  const seen = `by the rows the server that takes writes changed ${first.length} times, the active ${explained} times`;
  return [...problems, `two writers: ${seen}; the last changes: ${told.join(', ')}`];
};

/** Waited for longer than the client does, as on a busy machine. Where a guard has shut it stays so until a move. */
const PATIENCE_ERRORS: readonly string[] = ['connect ETIMEDOUT'];

/** What clients were told whose write was cut off or refused, but for those that stick to `refusing` for good. */
export const brokenWrites = (load: Load, refusing: NodeName, since = 0): readonly string[] =>
  [load.fresh, load.pinned[peerOf(refusing)]]
    .flatMap((client) => client.attempts)
    .filter(({ acknowledged, begin, error }) => begin >= since && !acknowledged && !PATIENCE_ERRORS.includes(error))
    .map(({ error }) => error);

export const checkNothingLost = (attempts: readonly Attempt[], rows: Rows, where: string): readonly string[] => {
  const lost = attempts.filter((attempt) => attempt.acknowledged && !rows.has(attempt.id));
  if (lost.length === 0) return [];
  const some = lost
    .slice(0, NAMED_ROWS)
    .map((attempt) => `${attempt.id} (acknowledged at ${attempt.end.toFixed(0)} ms)`);
  return [`${lost.length} acknowledged writes are not on ${where}: ${some.join(', ')}`];
};

/** Where a loss was accepted: what is missing on the active was taken by the other server, and is still there. */
export const checkLossKept = (
  attempts: readonly Attempt[],
  tables: Readonly<Record<NodeName, Rows>>,
  active: NodeName,
): readonly string[] => {
  const other = peerOf(active);
  const missing = attempts.filter(({ acknowledged, id }) => acknowledged && !tables[active].has(id));
  const gone = missing.filter(({ id }) => tables[other].get(id)?.node !== other);
  if (gone.length === 0) return [];
  const some = gone.slice(0, NAMED_ROWS).map(({ id, end }) => `${id} (acknowledged at ${end.toFixed(0)} ms)`);
  return [`${gone.length} acknowledged writes are not on ${active}, nor kept on ${other}: ${some.join(', ')}`];
};

export const checkReasons = (moves: readonly Move[]): readonly string[] =>
  moves
    .filter((move) => move.cause === '' || move.text === '')
    .map((move) => `the journal of ${move.node} gives no reason for term ${move.term}`);

const selfOf = (status: Status): NodeStatus | undefined => status.nodes.find((node) => node.self);

/** What a server says of itself. */
const serverIsReadOnly = async (lab: Lab, node: NodeName): Promise<boolean> => {
  const [row] = await lab.database[node].sql('SELECT @@global.read_only AS readOnly');
  return Number(row?.readOnly) !== 0;
};

const replicates = async (lab: Lab, node: NodeName): Promise<boolean> => {
  const { receiver, applier } = await lab.database[node].channel();
  return receiver === 'Yes' && applier === 'Yes';
};

/** What is not as it has to be on the node that serves. */
const activeProblems = async (lab: Lab, node: NodeName): Promise<readonly string[]> => {
  const status = await lab.status(node);
  const addresses = await addressesOf(node);
  const problems: string[] = [];
  if (status.active !== node) problems.push(`${node} says that ${status.active ?? 'nobody'} is active`);
  if (status.noWriter) problems.push(`${node} says that there is no writer`);
  if (selfOf(status)?.role !== 'active') problems.push(`${node} says that its role is ${selfOf(status)?.role}`);
  if (status.lastChange?.text === '') problems.push(`${node} does not say why it is active`);
  if (!lab.vips.every((vip) => addresses.includes(vip))) problems.push(`a VIP is missing on ${node}`);
  if (await serverIsReadOnly(lab, node)) problems.push(`the server of the active ${node} is read-only`);
  return problems;
};

/** What is not as it has to be on the other one. */
const standbyProblems = async (lab: Lab, node: NodeName, orphans: Orphans): Promise<readonly string[]> => {
  const status = await lab.status(node);
  const self = selfOf(status);
  // Kept apart and read-only, with the reason said: all that is asked of a server that has a commit nobody was told of.
  const kept = orphans === 'may be kept' && (self?.holds ?? []).some((hold) => hold.name === 'quarantined');
  const addresses = await addressesOf(node);
  const problems: string[] = [];
  if (status.active !== peerOf(node)) problems.push(`${node} says that ${status.active ?? 'nobody'} is active`);
  if (self?.role !== 'standby') problems.push(`${node} says that its role is ${self?.role}`);
  if (!kept && self?.unfit !== '') problems.push(`${node} says that it is unfit: ${self?.unfit}`);
  // A BEAT later: whoever asks for a move now is answered by what the active knows.
  const seen = (await lab.status(peerOf(node))).nodes.find((one) => !one.self);
  if (!kept && seen?.unfit !== '') problems.push(`${peerOf(node)} says that ${node} is unfit: ${seen?.unfit}`);
  if (lab.vips.some((vip) => addresses.includes(vip))) problems.push(`a VIP is on ${node}, which is not active`);
  if (!(await serverIsReadOnly(lab, node))) problems.push(`the server of the standby ${node} is writable`);
  if (!kept && !(await replicates(lab, node))) problems.push(`the server of the standby ${node} does not replicate`);
  return problems;
};

/** Which node says that it is active; an error names what each says. */
export const activeNode = async (lab: Lab): Promise<NodeName> => {
  const roles: string[] = [];
  for (const node of NODES) {
    const role = await lab.status(node).then(
      (status) => selfOf(status)?.role ?? 'unknown',
      () => 'no agent',
    );
    if (role === 'active') return node;
    roles.push(`${node}: ${role}`);
  }
  throw new Error(`nobody is active (${roles.join(', ')})`);
};

/** Everything that is wrong with a group in which all hosts are up: empty when it is settled and both say the same. */
export const groupProblems = async (lab: Lab, orphans: Orphans = 'none'): Promise<readonly string[]> => {
  const active = await activeNode(lab);
  return [...(await activeProblems(lab, active)), ...(await standbyProblems(lab, peerOf(active), orphans))];
};

/**
 * A commit that a server wrote down and could not have acknowledged, because its host died or was cut off at that
 * moment, is on that server alone. Where it cannot be fetched the node is quarantined with it.
 */
export type Orphans = 'none' | 'may be kept';

export const isQuarantined = async (lab: Lab, node: NodeName): Promise<boolean> =>
  (selfOf(await lab.status(node))?.holds ?? []).some((hold) => hold.name === 'quarantined');

/** Both servers hold the same rows. */
export const sameData = async (lab: Lab): Promise<boolean | string> => {
  const [one, other] = await Promise.all(NODES.map((node) => lab.database[node].sql('CHECKSUM TABLE lab.writes')));
  const sums = [one?.[0]?.Checksum, other?.[0]?.Checksum];
  return sums[0] === sums[1] || `checksums ${sums.join(' and ')}`;
};
