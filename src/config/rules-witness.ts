/** Rules on a witness's file: each group once, with two nodes, none of which is the witness. */

import { type Problem, quote, wrongAt } from './problem.js';
import { repeated } from './rules-members.js';
import type { WitnessFile } from './witness-schema.js';

export const checkGroups = ({ groups, name }: Partial<WitnessFile>): readonly Problem[] => {
  if (groups === undefined) return [];
  const nodes = groups.flatMap((group, index) => {
    const path = ['groups', index, 'nodes'];
    const [first, second] = group.nodes;
    const problems: Problem[] = [];
    if (first === second) problems.push(wrongAt([...path, 1], `${quote(second)} stands twice`, 'write both nodes'));
    const own = name === undefined ? -1 : group.nodes.indexOf(name);
    if (own !== -1) {
      const why = `${quote(name)} is the name of this witness, which is no node`;
      problems.push(wrongAt([...path, own], why, 'write the names of the two database hosts'));
    }
    return problems;
  });
  return [...repeated(groups, 'groups'), ...nodes];
};
