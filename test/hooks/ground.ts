/** Puts an example hook into a hook directory, edits it as an operator would, and runs it as the agent does. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HookPhase } from '../../src/core/types.js';
import { createHookQueue, type HookFacts, type HookResult } from '../../src/host/hooks.js';
import { ROOT } from '../lab/programs.js';
import { waitFor } from '../lab/wait.js';

export const EXAMPLES = join(ROOT, 'examples');
/** The default of `hooks.timeout`: an example must have said what failed before. */
const HOOK_TIMEOUT_MS = 10_000;

/** For a counterpart to come up, Python on a busy machine say. */
const UP_DEADLINE_MS = 30_000;

/** By the name of the variable at the example's head. */
export type Settings = Readonly<Record<string, string>>;

/** A network namespace begins with its loopback down. */
export const raiseLoopback = (): void => {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
};

/** Until something on this host accepts connections there. */
export const waitForPort = (port: number): Promise<void> =>
  waitFor(() => accepts(port), `port ${port} accepts connections`, UP_DEADLINE_MS);

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });

export const scratchDirectory = (): string => mkdtempSync(join(tmpdir(), 'vipd-example-'));

/** `kind/name` below examples/, with its variables set, as `file`. */
export const installExample = (example: string, file: string, settings: Settings): void => {
  cpSync(join(EXAMPLES, example), file);
  writeFileSync(file, Object.entries(settings).reduce(edit, readFileSync(file, 'utf8')));
};

const edit = (script: string, [name, value]: readonly [string, string]): string => {
  const line = new RegExp(`^${name}=.*$`, 'm');
  if (!line.test(script)) throw new Error(`the example has no variable ${name} to edit`);
  return script.replace(line, () => `${name}='${value}'`);
};

/** A secret as an operator keeps it; answers its path. */
export const privateFile = (directory: string, name: string, content: string, mode = 0o600): string => {
  const file = join(directory, name);
  writeFileSync(file, content, { mode });
  return file;
};

export interface ExampleRun {
  readonly example: string;
  readonly phase: HookPhase;
  readonly settings: Settings;
  readonly facts?: Partial<HookFacts>;
  readonly timeoutMs?: number;
}

/** Runs it once, the only hook of its phase. */
export const runExample = ({ example, phase, settings, facts, timeoutMs }: ExampleRun): Promise<HookResult> => {
  const directory = scratchDirectory();
  mkdirSync(join(directory, phase), { mode: 0o755 });
  installExample(`hooks/${example}`, join(directory, phase, example), settings);
  const hooks = { directory, timeoutMs: timeoutMs ?? HOOK_TIMEOUT_MS };
  const queue = createHookQueue({ settings: () => hooks, nowMs: () => performance.now() });
  return queue.run({ ...FACTS, phase, ...facts });
};

const FACTS = {
  group: 'orders',
  node: 'db1',
  term: 7,
  role: 'active',
  reason: 'promise-ran-out',
  peer: 'db2',
  vips: ['10.99.0.100/24'],
} as const satisfies Omit<HookFacts, 'phase'>;

/** Files of /proc that show `text`: the arguments of a process, which every account can read, and its environment. */
export const processesShowing = (text: string): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`])
    .filter((file) => contentOf(file).includes(text));

const contentOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // Gone meanwhile.
    return '';
  }
};
