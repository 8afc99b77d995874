/** `vipctl history` as a table: what happened, why, and how long each step took. */

import { formatElapsed } from '../../control/elapsed.js';
import type { HistoryEntry } from '../../control/status.js';
import type { Tone } from './style.js';
import { type Cell, renderTable, type View } from './table.js';
import { hang, printable } from './text.js';

/** `yyyy-mm-ddThh:mm:ss.mmm`: steps of one change lie milliseconds apart. */
const WALL_LENGTH = 23;

const TONES = {
  transition: 'heading',
  refusal: 'caution',
  hold: 'caution',
  step: 'faint',
  notice: 'plain',
  alarm: 'bad',
} as const satisfies Record<HistoryEntry['kind'], Tone>;

/** Narrower than this, the reason would be squeezed into a few columns; it gets a line of its own then. */
const TABLE_WIDTH = 110;

const TEXT_INDENT = 4;

/** Oldest first, as the journal has them. */
export const renderHistory = (entries: readonly HistoryEntry[], view: View): readonly string[] => {
  if (entries.length === 0) return ['nothing on record yet'];
  if (view.width < TABLE_WIDTH) return entries.flatMap((entry) => entryLines(entry, view));
  return renderTable(
    {
      overflow: 'wrap',
      headings: ['TIME', 'TERM', 'WHAT', 'CAUSE', 'TOOK', 'TEXT'],
      rows: entries.map((entry) => [
        timeText(entry),
        String(entry.term),
        whatCell(entry),
        entry.cause,
        tookText(entry),
        entry.text,
      ]),
    },
    view,
  );
};

const entryLines = (entry: HistoryEntry, view: View): readonly string[] => {
  const { text, tone } = whatCell(entry);
  const rest = [`term ${entry.term}`, entry.cause, tookText(entry)].filter((part) => part !== '').join(', ');
  const blank = ' '.repeat(TEXT_INDENT);
  return [
    `${timeText(entry)}  ${view.style.paint(tone, printable(text))}  (${printable(rest)})`,
    ...hang(blank, TEXT_INDENT, printable(entry.text), view.width),
  ];
};

const timeText = (entry: HistoryEntry): string => entry.at.slice(0, WALL_LENGTH).replace('T', ' ');

const tookText = (entry: HistoryEntry): string => (entry.tookMs === undefined ? '' : formatElapsed(entry.tookMs));

const whatCell = (entry: HistoryEntry): Cell => {
  const tone = TONES[entry.kind];
  if (entry.from === undefined || entry.to === undefined) return { text: entry.kind, tone };
  return { text: `${entry.from} to ${entry.to}`, tone };
};
