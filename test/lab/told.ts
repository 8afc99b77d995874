/** Watches `status` on both nodes while things happen, and finds what it did not tell within a second of the change. */

import type { HistoryEntry, NodeStatus, Status } from '../../src/control/status.js';
import type { Lab } from './lab.js';
import { NODES, type NodeName } from './topology.js';

/** Promised to an operator: this long after a change both nodes tell it. */
export const TOLD_WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 150;

/** What one node answered. */
export interface Look {
  readonly by: NodeName;
  readonly status: Status;
}

type Journals = Readonly<Record<NodeName, readonly HistoryEntry[]>>;

export interface Watch {
  /** No more looks; those there are, oldest first. */
  stop(): Promise<readonly Look[]>;
}

/** Looks at both nodes again and again; one whose agent is dead or stopped just gives no looks meanwhile. */
export const watchStatus = (lab: Lab): Watch => {
  const looks: Look[] = [];
  const stopped = new AbortController();
  const watch = async (by: NodeName): Promise<void> => {
    while (!stopped.signal.aborted) {
      await lab.status(by).then(
        (status) => looks.push({ by, status }),
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  };
  const watching = Promise.all(NODES.map(watch));
  return {
    stop: async () => {
      stopped.abort();
      await watching;
      return looks;
    },
  };
};

const wallMs = ({ at }: HistoryEntry): number => Date.parse(at);
const nowMs = ({ status }: Look): number => Date.parse(status.now.wall);
const startedMs = ({ status }: Look): number => Date.parse(status.config.loaded?.wall ?? '');

const nodeIn = ({ status }: Look, node: NodeName): NodeStatus | undefined =>
  status.nodes.find(({ name }) => name === node);

/**
 * The first looks at which a change on `of` has to be told: one of each node. Not of an agent that was started since
 * (it may never have known), nor of one that has not heard the other (it says just that).
 */
const dueLooks = (looks: readonly Look[], of: NodeName, changedAt: number): readonly Look[] =>
  NODES.flatMap((by) => {
    const due = looks.find((look) => look.by === by && nowMs(look) > changedAt + TOLD_WITHIN_MS);
    const knows = due && startedMs(due) < changedAt && nodeIn(due, of)?.agent.reachable === true;
    return knows ? [due] : [];
  });

const holdProblems = (looks: readonly Look[], journal: readonly HistoryEntry[], of: NodeName): readonly string[] =>
  journal
    .filter(({ kind }) => kind === 'hold')
    .flatMap((held) =>
      dueLooks(looks, of, wallMs(held))
        .filter((look) => !endedBefore(journal, held, nowMs(look)))
        .filter((look) => !nodeIn(look, of)?.holds.some(({ name, why }) => name === held.cause && why !== ''))
        .map(({ by }) => `${by} does not tell after a second that ${of} holds ${held.cause} since ${held.at}`),
    );

const endedBefore = (journal: readonly HistoryEntry[], held: HistoryEntry, ms: number): boolean =>
  journal.some(
    (entry) =>
      entry.kind === 'notice' && entry.cause === held.cause && wallMs(entry) >= wallMs(held) && wallMs(entry) <= ms,
  );

const moveProblems = (looks: readonly Look[], journals: Journals, of: NodeName): readonly string[] =>
  journals[of]
    .filter(({ kind, to }) => kind === 'transition' && to === 'active')
    .flatMap((opened) =>
      dueLooks(looks, of, wallMs(opened))
        .filter((look) => !movedOn(journals, opened, nowMs(look)))
        .filter((look) => !tellsActive(look, of, wallMs(opened)))
        .map(({ by }) => `${by} does not tell after a second that ${of} is active since ${opened.at}, and why`),
    );

const movedOn = (journals: Journals, opened: HistoryEntry, ms: number): boolean =>
  NODES.flatMap((node) => journals[node]).some(
    (entry) =>
      entry !== opened && entry.kind === 'transition' && wallMs(entry) >= wallMs(opened) && wallMs(entry) <= ms,
  );

const tellsActive = (look: Look, node: NodeName, changedAt: number): boolean => {
  const { active, lastChange } = look.status;
  const since = Date.parse(nodeIn(look, node)?.since?.wall ?? '');
  const isNear = (ms: number): boolean => Math.abs(ms - changedAt) < TOLD_WITHIN_MS;
  return (
    active === node &&
    lastChange?.node === node &&
    // An undone move tells on the active alone why it was undone.
    (look.by === node ? lastChange.text !== '' && isNear(Date.parse(lastChange.at.wall)) : isReason(lastChange.text)) &&
    isNear(since)
  );
};

const isReason = (text: string): boolean => /because (?!none)/.test(text);

/** What was not told in time, by either node: who is active, since when and why, and every hold. Pure. */
export const untold = (looks: readonly Look[], journals: Journals): readonly string[] => [
  ...NODES.filter((node) => !looks.some(({ by }) => by === node)).map((node) => `${node} was never seen to answer`),
  ...NODES.flatMap((node) => [...moveProblems(looks, journals, node), ...holdProblems(looks, journals[node], node)]),
];
