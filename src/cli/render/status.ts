/** `vipctl status` as text: who is active and whether all is well, what is wrong and what to type, then the details. */

import { diagnose, headline, type Problem, type Severity } from '../../control/diagnosis.js';
import { formatAge } from '../../control/elapsed.js';
import type { Status } from '../../control/status.js';
import {
  changeSection,
  dataTable,
  detailSection,
  nodeTable,
  standbyVipTable,
  vipTable,
  witnessTable,
} from './sections.js';
import type { Tone } from './style.js';
import { renderTable, type Table, type View } from './table.js';
import { hang, printable } from './text.js';

const LABELS = {
  critical: { word: 'CRITICAL', tone: 'bad' },
  warning: { word: 'WARNING', tone: 'caution' },
  note: { word: 'note', tone: 'faint' },
} as const satisfies Record<Severity, { readonly word: string; readonly tone: Tone }>;

/** The longest word that begins a line, and a gap. */
const LABEL_WIDTH = 11;

/** The status as lines. Pure: every time in it is of `status` itself. */
export const renderStatus = (status: Status, view: View): readonly string[] => {
  const problems = diagnose(status);
  const blocks = [
    headBlock(status, problems, view),
    problems.flatMap((problem) => problemLines(problem, view)),
    tableBlock(nodeTable(status), view),
    tableBlock(dataTable(status), view),
    tableBlock(witnessTable(status), view),
    tableBlock(vipTable(status), view),
    tableBlock(standbyVipTable(status), view),
    detailSection(status, view),
    changeSection(status, view),
  ];
  return blocks.filter((block) => block.length > 0).flatMap((block, i) => (i === 0 ? block : ['', ...block]));
};

const headBlock = (status: Status, problems: readonly Problem[], view: View): readonly string[] => {
  const { word, tone } = verdict(status, problems);
  const [first = '', ...others] = hang('', LABEL_WIDTH, printable(headline(status, problems)), view.width);
  const lead = view.style.paint(tone, word) + ' '.repeat(LABEL_WIDTH - word.length);
  const change = status.lastChange;
  const since = status.active === null ? '; last change' : ', since';
  const why = change === null ? '' : `${since} ${formatAge(change.at, status.now)}: ${change.text}`;
  const owner =
    status.owner === null ? `term ${status.term}, owned by nobody` : `term ${status.term} of ${status.owner}`;
  return [
    lead + view.style.paint('heading', first),
    ...others,
    ...hang(' '.repeat(LABEL_WIDTH), LABEL_WIDTH, printable(owner + why), view.width),
  ];
};

/** The word that the first line begins with. */
const verdict = (status: Status, problems: readonly Problem[]): { readonly word: string; readonly tone: Tone } => {
  if (status.noWriter) return { word: 'NO WRITER', tone: 'bad' };
  const worst = problems[0]?.severity ?? 'note';
  return worst === 'note' ? { word: 'OK', tone: 'good' } : LABELS[worst];
};

const problemLines = (problem: Problem, view: View): readonly string[] => {
  const { word, tone } = LABELS[problem.severity];
  const lead = view.style.paint(tone, word) + ' '.repeat(LABEL_WIDTH - word.length);
  const next = 'next: ';
  const indent = ' '.repeat(LABEL_WIDTH);
  return [
    ...hang(lead, LABEL_WIDTH, printable(problem.text), view.width),
    ...(problem.next === ''
      ? []
      : hang(
          indent + view.style.paint('heading', next),
          LABEL_WIDTH + next.length,
          printable(problem.next),
          view.width,
        )),
  ];
};

const tableBlock = (table: Table, view: View): readonly string[] =>
  table.rows.length === 0 ? [] : renderTable(table, view);
