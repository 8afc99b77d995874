/** Rules on who belongs to the group: names, numbers of nodes and witnesses, and what stands in for a witness. */

import { nearest } from './nearest.js';
import { type Path, type Problem, quote, wrongAt } from './problem.js';
import type { VipdFile } from './schema.js';

/** Names of vipd's own checks, which health scripts cannot take: a script called guard would answer for the shell's check. */
export const BUILT_IN_CHECKS: readonly string[] = ['database', 'links', 'guard'];

/** `file` has the sections that were readable; a rule that needs one that is missing has nothing to say. */
export const checkMembers = (file: Partial<VipdFile>, hostName: string): readonly Problem[] => [
  ...checkNodes(file),
  ...checkSelf(file, hostName),
  ...checkWitnesses(file),
  ...checkPathNames(file),
  ...repeated(file.checks ?? [], 'checks'),
  ...checkCheckNames(file),
];

const checkNodes = ({ nodes }: Partial<VipdFile>): readonly Problem[] => {
  if (nodes === undefined) return [];
  const count = Object.keys(nodes).length;
  if (count === 2) return [];
  const hint = count < 2 ? 'name both hosts of the pair' : 'keep two; a third host can be a witness';
  return [wrongAt(['nodes'], `has ${count} node${count === 1 ? '' : 's'} and not two`, hint)];
};

const checkSelf = ({ node, nodes }: Partial<VipdFile>, hostName: string): readonly Problem[] => {
  if (nodes === undefined) return [];
  const known = Object.keys(nodes);
  const self = node ?? hostName;
  if (known.includes(self)) return [];
  const list = known.join(', ');
  if (node === undefined) {
    const meant = known.find((name) => hostName.split('.')[0] === name);
    const hint = meant === undefined ? `write node: and one of ${list}` : `write node: ${meant}`;
    return [wrongAt(['nodes'], `the host name ${quote(hostName)} is none of ${list}`, hint)];
  }
  const meant = nearest(node, known);
  const hint = meant === null ? `write one of ${list}` : `did you mean ${meant}?`;
  return [wrongAt(['node'], `${quote(node)} is not in nodes`, hint)];
};

const checkWitnesses = ({ witnesses, nodes, gateways }: Partial<VipdFile>): readonly Problem[] => {
  if (witnesses === undefined) return [];
  const problems = [...repeated(witnesses, 'witnesses')];
  for (const [index, { name }] of witnesses.entries()) {
    if (nodes !== undefined && Object.hasOwn(nodes, name)) {
      const why = `${quote(name)} is a node, and a node cannot vote twice`;
      problems.push(wrongAt(['witnesses', index, 'name'], why, 'name a third host'));
    }
  }
  if (witnesses.length === 2) {
    const why = 'has 2 witnesses, an even number, which makes two halves possible';
    problems.push(wrongAt(['witnesses'], why, 'keep one, or add a third'));
  }
  if (witnesses.length === 0 && gateways !== undefined && gateways.length === 0) {
    const why = 'is needed where there is no witness: nothing else tells a dead peer from our own isolation';
    problems.push(wrongAt(['gateways'], why, 'write gateways: [10.99.0.254], or better a witness'));
  }
  return problems;
};

const checkPathNames = ({ heartbeat, nodes }: Partial<VipdFile>): readonly Problem[] => {
  if (heartbeat === undefined || nodes === undefined) return [];
  const known = Object.keys(nodes);
  return heartbeat.paths.flatMap((path, index) => {
    const at: Path = ['heartbeat', 'paths', index];
    const strangers = Object.keys(path).filter((name) => !known.includes(name));
    const missing = known.filter((name) => !Object.hasOwn(path, name));
    const hint = `write an address for each of ${known.join(', ')}`;
    return [
      ...strangers.map(
        (name): Problem => ({ path: [...at, name], at: 'key', message: `${quote(name)} is not in nodes`, hint }),
      ),
      ...missing.map((name) => wrongAt(at, `has no address for ${name}`, hint)),
    ];
  });
};

const checkCheckNames = ({ checks }: Partial<VipdFile>): readonly Problem[] =>
  (checks ?? []).flatMap(({ name }, index) =>
    BUILT_IN_CHECKS.includes(name)
      ? [wrongAt(['checks', index, 'name'], `${quote(name)} is a check of vipd's own`, 'choose another name')]
      : [],
  );

/** Names that stand twice in a list. */
export const repeated = (items: readonly { readonly name: string }[], section: string): readonly Problem[] =>
  items.flatMap(({ name }, index) => {
    const first = items.findIndex((item) => item.name === name);
    if (first === index) return [];
    return [
      wrongAt(
        [section, index, 'name'],
        `${quote(name)} is also the name of ${section}[${first}]`,
        'choose another name',
      ),
    ];
  });
