/** Draws a picture anew each second, without flicker, until it is told to stop. */

import { setTimeout as sleep } from 'node:timers/promises';
import { printLines, type Terminal } from './terminal.js';

const REDRAW_MS = 1_000;

/** console_codes(4): another screen, no cursor, and no wrapping, which would push the picture off its place. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** Prints `frame` until `signal` aborts or nobody reads it; the last picture stays behind. Without a terminal, one block after the other. */
export const watch = async (
  frame: () => Promise<readonly string[]>,
  terminal: Terminal,
  signal: AbortSignal,
  redrawMs = REDRAW_MS,
): Promise<void> => {
  const onScreen = terminal.size() !== null;
  let lines: readonly string[] = [];
  if (onScreen) terminal.out(ENTER);
  try {
    while (!signal.aborted && !(terminal.isClosed?.() ?? false)) {
      lines = await frame();
      if (onScreen) terminal.out(picture(lines, terminal.size()?.rows ?? lines.length));
      else printLines(terminal, [...lines, '']);
      await sleep(redrawMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    if (onScreen) {
      terminal.out(LEAVE);
      printLines(terminal, lines);
    }
  }
};

/** One write to a frame: each line overwrites its predecessor in place, so nothing is ever blank in between. */
const picture = (lines: readonly string[], rows: number): string => {
  const fits = lines.length <= rows;
  const shown = fits
    ? lines
    : [...lines.slice(0, rows - 1), `(${lines.length - rows + 1} more lines: enlarge the window)`];
  return HOME + shown.map((line) => line + CLEAR_LINE_END).join('\r\n') + CLEAR_BELOW;
};
