/** The agent's side of the control socket: requests become commands, and the core's words become replies. */

import { wallText } from '../control/moment.js';
import type { InvalidFile, Request } from '../control/protocol.js';
import { createControlServer } from '../control/server.js';
import type { HistoryEntry, ReloadStatus, Status } from '../control/status.js';
import type { Command, Event } from '../core/event.js';
import type { NodeState } from '../core/state.js';
import type { Instant } from '../core/types.js';
import type { JournalLine } from '../host/journal-line.js';
import { servesUntil } from './serving.js';

export interface ControlOptions {
  readonly socket: string;
  readonly group: string;
  readonly dispatch: (event: Event) => void;
  readonly state: () => NodeState | null;
  readonly status: (state: NodeState) => Promise<Status>;
  readonly history: (limit: number) => Promise<readonly JournalLine[]>;
  /** `validFile`: check-config would take it. */
  readonly reload: () => Promise<ReloadStatus & { readonly validFile: boolean }>;
  readonly acknowledge: () => void;
  readonly now: () => Instant;
  readonly warn: (text: string) => void;
}

export interface Control {
  readonly open: () => Promise<void>;
  readonly reply: (id: number, done: boolean, ok: boolean, text: string) => void;
  readonly close: () => Promise<void>;
}

interface Asker {
  readonly progress: (text: string) => void;
  readonly done: (ok: boolean, text: string, data?: unknown) => void;
}

/** Operations that wait for the core at once; each waits on a connection of its own, of which there are 16. */
const ASKERS_LIMIT = 64;

export const createControl = (options: ControlOptions): Control => {
  const askers = new Map<number, Asker>();
  let nextId = 1;
  let server: { close(): Promise<void> } | null = null;

  const command = (asker: Asker, said: Command): void => {
    if (askers.size >= ASKERS_LIMIT) return asker.done(false, 'too many operations are under way; try again');
    const id = nextId;
    nextId += 1;
    askers.set(id, asker);
    options.dispatch({ type: 'command', id, command: said });
  };

  /** What is returned is waited for: whatever fails while an answer is made becomes the answer, and does not end the agent. */
  const handle = (request: Request, asker: Asker): void | Promise<void> => {
    const state = options.state();
    if (!state) return asker.done(false, 'the agent is starting; try again in a moment');
    switch (request.request) {
      case 'status':
        return options.status(state).then(
          (status) => asker.done(true, '', status),
          (cause: unknown) => asker.done(false, `status: ${cause instanceof Error ? cause.message : String(cause)}`),
        );
      case 'history':
        return options.history(request.limit).then(
          (lines) => asker.done(true, '', lines.map(toHistory)),
          (cause: unknown) => asker.done(false, `history: ${cause instanceof Error ? cause.message : String(cause)}`),
        );
      case 'reload':
        return options.reload().then(({ ok, text, details, validFile }) => {
          const data: InvalidFile | undefined = validFile ? undefined : { invalid: true };
          asker.done(ok, [text, ...details].join('\n'), data);
        });
      case 'is-active':
        // As HTTP's /active has it: a balancer may ask either.
        return asker.done(servesUntil(state) > options.now(), state.role);
      case 'switchover':
        return command(asker, {
          name: 'switchover',
          dryRun: request.dryRun,
          force: request.force,
          timeoutMs: request.timeoutMs,
        });
      case 'promote':
        return command(asker, { name: 'promote', acceptLoss: request.acceptLoss });
      case 'pause':
        return command(asker, { name: 'pause', forMs: request.forMs });
      case 'resume':
        options.acknowledge();
        return command(asker, { name: 'resume' });
      case 'maintenance':
        return command(asker, { name: 'maintenance', on: request.on });
    }
  };

  return {
    open: async () => {
      server = await createControlServer({ path: options.socket, group: options.group, handle, warn: options.warn });
    },
    reply: (id, done, ok, text) => {
      const asker = askers.get(id);
      if (!asker) return;
      if (!done) return asker.progress(text);
      askers.delete(id);
      asker.done(ok, text);
    },
    close: async () => server?.close(),
  };
};

const toHistory = (line: JournalLine): HistoryEntry => {
  const { bootMs: _, at, ...entry } = line;
  const when = new Date(at);
  return { ...entry, at: Number.isNaN(when.getTime()) ? at : wallText(when.getTime(), -when.getTimezoneOffset()) };
};
