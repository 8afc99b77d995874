/** The sentences of `vipctl explain` as text, each with what to do below it. */

import type { Sentence } from '../../control/explain.js';
import type { View } from './table.js';
import { hang, printable } from './text.js';

const NEXT = 'next: ';
const INDENT = 2;

export const renderExplanation = (sentences: readonly Sentence[], view: View): readonly string[] =>
  sentences.flatMap(({ text, next }) => {
    const lead = ' '.repeat(INDENT) + view.style.paint('heading', NEXT);
    const remedy = next === '' ? [] : hang(lead, INDENT + NEXT.length, printable(next), view.width);
    return [...hang('', 0, printable(text), view.width), ...remedy];
  });
