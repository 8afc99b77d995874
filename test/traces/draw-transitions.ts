/** Draws the transition table as docs/transitions.md: a diagram, and a row for each move with its reason. */

import type { Role } from '../../src/core/message.js';
import { transitions } from '../../src/core/table.js';

const HEAD = `# Roles of a node and how they change

Drawn from \`src/core/table.ts\`, which is the only list of moves the program has; \`UPDATE=1 npx vitest run --project unit test/traces\`
draws it anew. Every row is reached by a story in \`test/traces\`.
`;

/** A mermaid state's name may hold no hyphen. */
const state = (role: Role): string => role.replace('-', '_');

export const drawTransitions = (): string => {
  const edges = new Map<string, string[]>();
  for (const { from, to, cause } of transitions) {
    const edge = `${state(from)} --> ${state(to)}`;
    edges.set(edge, [...(edges.get(edge) ?? []), cause]);
  }
  const diagram = [
    '```mermaid',
    'stateDiagram-v2',
    '  handing_off: handing-off',
    '  [*] --> starting',
    ...[...edges].map(([edge, causes]) => `  ${edge}: ${causes.join(', ')}`),
    '  stopped --> [*]',
    '```',
  ];
  const rows = transitions.map(
    ({ from, to, cause, why, effects }) => `| ${from} | ${to} | \`${cause}\` | ${why} | ${effects.join(', ') || '-'} |`,
  );
  const table = ['| from | to | cause | why | done on entering |', '| --- | --- | --- | --- | --- |', ...rows];
  return `${[HEAD, ...diagram, '', ...table].join('\n')}\n`;
};
