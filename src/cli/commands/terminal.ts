/** What a command may do to the world: print, know the terminal, hear Ctrl-C. */

import { chooseStyle } from '../render/style.js';
import type { View } from '../render/table.js';

export interface Terminal {
  /** To stdout, as it is. */
  readonly out: (text: string) => void;
  /** To stderr, as it is. */
  readonly err: (text: string) => void;
  /** Nobody reads stdout any more; absent: that is not told. */
  readonly isClosed?: () => boolean;
  /** Null: stdout is no terminal. Asked anew for each frame, since windows change. */
  readonly size: () => { readonly columns: number; readonly rows: number } | null;
  /** Asks and answers with what was typed; null: there is nobody to ask. */
  readonly prompt?: ((question: string) => Promise<string>) | null;
  /** The same, and what is typed does not show. */
  readonly promptSecret?: ((question: string) => Promise<string>) | null;
  readonly environment: NodeJS.ProcessEnv;
  /** Calls `listener` at Ctrl-C instead of dying, until the function it returns is called. */
  readonly onInterrupt: (listener: () => void) => () => void;
}

export const printLines = (terminal: Terminal, lines: readonly string[]): void => terminal.out(`${lines.join('\n')}\n`);

export const viewOf = (terminal: Terminal): View => {
  const size = terminal.size();
  return {
    width: size?.columns ?? Number.POSITIVE_INFINITY,
    style: chooseStyle(size !== null, terminal.environment),
  };
};

/** An abort signal for Ctrl-C, for as long as `work` runs. */
export const untilInterrupt = async <T>(terminal: Terminal, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const controller = new AbortController();
  const forget = terminal.onInterrupt(() => controller.abort());
  try {
    return await work(controller.signal);
  } finally {
    forget();
  }
};
