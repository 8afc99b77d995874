/** A pair and its witness installed as the README says: its own blocks, carried out on machines that had nothing. */

import { copyFileSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { NODES } from '../lab/topology.js';
import type { Ground } from './ground.js';
import type { Machine, MachineName } from './machine.js';
import { type Block, installBlocks, linesFor } from './readme.js';

type Machines = Readonly<Record<MachineName, Machine>>;

/** Voter by voter: nothing happens until all have heard each other. */
const ORDER = ['w1', ...NODES] as const;
const KEY = '/etc/vipd/key';

/** Answers what the README shows as the outcome. */
export const installByReadme = async (machines: Machines, { packages }: Ground): Promise<string> => {
  for (const name of ORDER) {
    for (const file of [packages.vipd, ...(name === 'w1' ? [packages.witness] : [])])
      copyFileSync(file, join(machines[name].root, 'root', basename(file)));
  }
  const blocks = installBlocks();
  for (const block of blocks) {
    // "The first waits for the second": on all at once.
    if (block.text.includes('replication setup'))
      await Promise.all(ORDER.map((name) => carryOut(block, machines[name])));
    else for (const name of ORDER) await carryOut(block, machines[name]);
    // "Made once and copied to all three": before it is given to the witness's user there.
    if (block.text.includes(`> ${KEY}`)) await copyKey(block, machines);
  }
  return blocks.find(({ language }) => language === '')?.text ?? '';
};

const carryOut = async (block: Block, machine: Machine): Promise<void> => {
  const text = linesFor(block, machine.name);
  if (text === '' || block.text.includes(`> ${KEY}`)) return;
  switch (block.language) {
    case 'sh':
      await typed(machine, text);
      return;
    case 'ini':
      machine.write(block.file, `${text}\n`);
      return;
    case 'yaml':
      if (block.file === '') editLines(machine, text);
      else machine.write(block.file, `${text}\n`);
      return;
    case '':
      return;
    default:
      throw new Error(
        `the README has a block of ${block.language} in step ${block.step}, and nothing here carries it out`,
      );
  }
};

/** As root, in root's home, and to the first command that fails. */
const typed = (machine: Machine, text: string): Promise<string> =>
  machine.run('bash', '-c', `set -e; cd /root\n${text}`);

/** The lines of the key's block: made on db1, copied, and then the witness's own. */
const copyKey = async (block: Block, machines: Machines): Promise<void> => {
  await typed(machines.db1, linesFor(block, 'db1'));
  const key = readFileSync(join(machines.db1.root, KEY), 'utf8');
  for (const name of ['db2', 'w1'] as const) machines[name].write(KEY, key, 0o600);
  await typed(machines.w1, linesFor(block, 'w1'));
};

const CONFIGURATION = 'etc/vipd/vipd.yaml';

/** "Three lines of it edited": each takes the place of the one with its key. */
const editLines = (machine: Machine, text: string): void => {
  const edited = new Map(text.split('\n').map((line) => [line.split(':')[0], line]));
  const before = readFileSync(join(machine.root, CONFIGURATION), 'utf8').split('\n');
  const after = before.map((line) => edited.get(line.split(':')[0]) ?? line);
  const changed = after.filter((line, index) => line !== before[index]).length;
  if (changed !== 3 || edited.size !== 3) throw new Error(`three lines of the example are edited, not ${changed}`);
  machine.write(CONFIGURATION, after.join('\n'));
};
