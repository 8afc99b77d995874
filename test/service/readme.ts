/** The README's install section, taken apart: what is typed or written on which host. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lab/programs.js';
import type { MachineName } from './machine.js';

export interface Block {
  /** `sh`, `ini`, `yaml`; empty: what is printed. */
  readonly language: string;
  readonly text: string;
  /** The number of the step. */
  readonly step: number;
  /** The hosts that the step's heading names; a line may name its own. */
  readonly hosts: readonly MachineName[];
  /** The file that the heading names; empty: none. */
  readonly file: string;
}

const HOSTS: readonly MachineName[] = ['w1', 'db1', 'db2'];
const named = (text: string): readonly MachineName[] => HOSTS.filter((host) => text.includes(host));

/** Every fenced block of the section, in order; each stands under a step that begins with its number in bold. */
export const installBlocks = (): readonly Block[] => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, section = ''] = /^## Install on two hosts\n(.*?)^## /ms.exec(readme) ?? [];
  return section.split(/^(?=\*\*\d+\. )/m).flatMap((part) => {
    const [, number] = /^\*\*(\d+)\. /.exec(part) ?? [];
    if (number === undefined) return [];
    const [heading = ''] = part.split('\n\n');
    const [, file = ''] = /`(\/[^`]+)`/.exec(heading) ?? [];
    return [...part.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
      language,
      text,
      step: Number(number),
      hosts: named(heading),
      file,
    }));
  });
};

/** A remark at the end of a line: `# on db1 and db2`, or what takes the place of its last word there: `-- on db2: 10.99.0.1`. */
const REMARK = /^(?<code>.*\S)\s+(?:#|--) on (?<hosts>\w+(?: and \w+)*)(?:: (?<instead>\S+))?$/;
const LAST_WORD = /[\w./-]+(?=[^\w]*$)/;

/** The lines of a block as that host gets them; empty: none. */
export const linesFor = ({ text, hosts }: Block, host: MachineName): string => {
  const lines = text.split('\n').flatMap((line) => {
    const { code = '', hosts: where = '', instead } = REMARK.exec(line)?.groups ?? {};
    const here = named(where).includes(host);
    if (where !== '' && instead === undefined) return here ? [code] : [];
    if (hosts.length > 0 && !hosts.includes(host)) return [];
    return [where === '' ? line : here && instead !== undefined ? code.replace(LAST_WORD, instead) : code];
  });
  return lines.join('\n').trim();
};
