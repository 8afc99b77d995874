/** The doctor's findings as text: what is wrong first, with what was tried, what came back and what to do. */

import type { Finding, Verdict } from '../../doctor/finding.js';
import type { Tone } from './style.js';
import type { View } from './table.js';
import { hang, printable } from './text.js';

const LABELS = {
  fault: { word: 'FAULT', tone: 'bad' },
  warning: { word: 'warning', tone: 'caution' },
  skipped: { word: 'not told', tone: 'faint' },
  ok: { word: 'ok', tone: 'good' },
} as const satisfies Record<Verdict, { readonly word: string; readonly tone: Tone }>;

const ORDER: readonly Verdict[] = ['fault', 'warning', 'skipped', 'ok'];
const LABEL_WIDTH = 10;

export const renderFindings = (findings: readonly Finding[], view: View): readonly string[] => {
  const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length;
  const [faults, warnings] = [count('fault'), count('warning')];
  const verdict =
    faults + warnings === 0
      ? `nothing wrong was found by ${findings.length} checks`
      : `${faults} ${faults === 1 ? 'fault' : 'faults'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, by ${findings.length} checks`;
  return [
    ...ORDER.flatMap((wanted) => findings.filter((one) => one.verdict === wanted).flatMap((one) => lines(one, view))),
    '',
    verdict,
  ];
};

const lines = ({ verdict, check, tried, found, remedy }: Finding, view: View): readonly string[] => {
  const { word, tone } = LABELS[verdict];
  const lead = view.style.paint(tone, word) + ' '.repeat(LABEL_WIDTH - word.length);
  const indent = ' '.repeat(LABEL_WIDTH);
  const next = 'next: ';
  return [
    ...hang(lead, LABEL_WIDTH, printable(`${check}: ${tried}: ${found}`), view.width),
    ...(remedy === ''
      ? []
      : hang(indent + view.style.paint('heading', next), LABEL_WIDTH + next.length, printable(remedy), view.width)),
  ];
};
