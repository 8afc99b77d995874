/** keepalived's notify scripts as hooks: files in a directory for each phase, which the operator puts there. */

import { nameFor, notifyOf, programName, withPath } from './commands.js';
import { FILL_IN, type HookDraft, type NotifyPhase } from './draft.js';
import type { Notes } from './notes.js';
import type { Directive } from './source.js';

const MAX_NAME = 64;

interface Mapping {
  readonly phases: readonly NotifyPhase[];
  /** Whether keepalived calls it with arguments of its own. */
  readonly takesArguments: boolean;
  readonly note: string;
}

const BEHAVIOUR = 'drop what sets read_only or starts and stops replication or services: vipd does that before';

/** keepalived.conf(5): "notify" gets type, name, state and priority; the others get nothing. */
const MAPPINGS: Readonly<Record<string, Mapping>> = {
  notify_master: { phases: ['post-promote'], takesArguments: false, note: BEHAVIOUR },
  notify_backup: { phases: ['post-demote'], takesArguments: false, note: BEHAVIOUR },
  notify_fault: { phases: ['hold'], takesArguments: false, note: 'runs when a hold begins' },
  notify_stop: {
    phases: ['post-demote'],
    takesArguments: false,
    note: 'runs when an active gives up its place; not for a standby that stops',
  },
  notify: {
    phases: ['post-promote', 'post-demote', 'hold'],
    takesArguments: true,
    note: `gets INSTANCE, the group and the state, without a priority; ${BEHAVIOUR}`,
  },
};

/** `holders` are the imported instances and their sync groups. */
export const draftHooks = (
  holders: readonly Directive[],
  notes: Notes,
  todo: string[],
  findProgram: (name: string) => string | null,
): readonly HookDraft[] => {
  const hooks: HookDraft[] = [];
  for (const directive of holders.flatMap(({ children }) => children ?? [])) {
    const mapping = Object.hasOwn(MAPPINGS, directive.words[0]) ? MAPPINGS[directive.words[0]] : undefined;
    if (mapping === undefined) continue;
    const { command: written, account } = notifyOf(directive);
    const as = account === null ? '' : `; runs as the agent, not as ${account}`;
    notes.add(directive, 'hooks', `${mapping.note}${as}`);
    const command = withPath(written, findProgram);
    if (command[0]?.startsWith(`/${FILL_IN}/`)) todo.push(`hooks: where ${written[0]} is, from the root`);
    for (const phase of mapping.phases) addHook(hooks, phase, command, mapping.takesArguments);
  }
  return hooks;
};

/** Once only: keepalived ran it for each instance, vipd runs it for the group. */
const addHook = (hooks: HookDraft[], phase: NotifyPhase, command: readonly string[], takesArguments: boolean): void => {
  const same = hooks.some((hook) => hook.phase === phase && hook.command.join('\0') === command.join('\0'));
  if (same) return;
  const taken = hooks.filter((hook) => hook.phase === phase).map(({ name }) => name);
  hooks.push({ phase, name: nameFor(programName(command), taken, MAX_NAME), command, takesArguments });
};
