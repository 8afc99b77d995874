/** Draws outages as an SVG: a band for each fault, a row for each system, a dot for each run, on a logarithmic axis. */

import type { Fault } from './fault.js';
import type { Cell } from './summary.js';
import type { System, SystemName } from './system.js';

const TITLE = 'Write outage seen by a client: each run a dot, the median a bar';
const WIDTH = 860;
const LEFT = 250;
const RIGHT = 30;
const ROW = 18;
const BAND_GAP = 14;
const TOP = 40;
const BOTTOM = 40;
const RADIUS = 3;
const AXIS_FROM_MS = 10;
const AXIS_TO_MS = 10_000;
const TICKS_MS = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const MS_PER_SECOND = 1_000;

/** Told apart by row and name; the colour only helps. */
const COLOUR = {
  vipd: '#0b6e4f',
  'vipd-ordinary': '#5a9e86',
  'keepalived-quick': '#b35c00',
  'keepalived-guide': '#6b4c9a',
} as const satisfies Record<SystemName, string>;

const x = (ms: number): number => {
  const clamped = Math.min(Math.max(ms, AXIS_FROM_MS), AXIS_TO_MS);
  const share = Math.log(clamped / AXIS_FROM_MS) / Math.log(AXIS_TO_MS / AXIS_FROM_MS);
  return LEFT + share * (WIDTH - LEFT - RIGHT);
};

const xml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const text = (at: number, y: number, content: string, extra = ''): string =>
  `<text x="${at.toFixed(1)}" y="${y.toFixed(1)}" ${extra}>${xml(content)}</text>`;

const duration = (ms: number): string => (ms < MS_PER_SECOND ? `${ms} ms` : `${ms / MS_PER_SECOND} s`);

const axis = (height: number): readonly string[] =>
  TICKS_MS.flatMap((ms) => [
    `<line x1="${x(ms).toFixed(1)}" y1="${TOP}" x2="${x(ms).toFixed(1)}" y2="${height - BOTTOM}" stroke="#ddd"/>`,
    text(x(ms), height - BOTTOM + 16, duration(ms), 'text-anchor="middle" fill="#555"'),
  ]);

const row = (cell: Cell, label: string, y: number): readonly string[] => {
  const colour = COLOUR[cell.system];
  const dots = cell.outagesMs.flatMap((ms) =>
    ms === null
      ? []
      : [`<circle cx="${x(ms).toFixed(1)}" cy="${y}" r="${RADIUS}" fill="${colour}" fill-opacity="0.5"/>`],
  );
  const middle =
    cell.medianMs === null
      ? []
      : [
          `<line x1="${x(cell.medianMs).toFixed(1)}" y1="${y - 7}" x2="${x(cell.medianMs).toFixed(1)}" y2="${y + 7}" stroke="${colour}" stroke-width="2"/>`,
        ];
  return [text(LEFT - 8, y + 4, label, `text-anchor="end" fill="${colour}"`), ...dots, ...middle];
};

/** The whole file. */
export const plot = (cells: readonly Cell[], faults: readonly Fault[], systems: readonly System[]): string => {
  const parts: string[] = [];
  let y = TOP + BAND_GAP;
  for (const fault of faults) {
    const band = cells.filter((cell) => cell.fault === fault.name);
    if (band.length === 0) continue;
    parts.push(text(8, y, fault.title, 'font-weight="bold" fill="#222"'));
    for (const system of systems) {
      const cell = band.find((one) => one.system === system.name);
      if (cell === undefined) continue;
      y += ROW;
      parts.push(...row(cell, system.label, y));
    }
    y += ROW + BAND_GAP;
  }
  const height = y + BOTTOM;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<title>${TITLE}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(8, 22, TITLE, 'font-size="14" fill="#222"'),
    ...axis(height),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
};
