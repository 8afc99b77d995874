/** scripts/registers: appends to registers through the VIP while faults are injected, and judges what came of each. */

import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { KINDS } from '../lab/kinds.js';
import { enterSandbox } from '../lab/sandbox.js';
import type { ServerKind } from '../lab/server-kind.js';
import { playCampaign } from './campaign.js';
import { KINDS_OF_FAULT } from './kinds.js';
import { KIND_NAMES, type KindName, MAX_SEED, planFaults } from './plan.js';
import { lineOf, type Played, problemsOf, summarise, table } from './report.js';

const DEFAULT_FAULTS = 3;
const MAX_FAULTS = 10_000;
/** A pair that has gone wrong altogether has the same to say of every value. */
const NAMED_PROBLEMS = 10;

interface Options {
  readonly seed?: number;
  readonly faults: number;
  readonly only?: readonly KindName[];
  readonly flavour: ServerKind['name'];
  readonly json?: string;
  readonly keep?: string;
}

const wholeNumber =
  (from: number, to: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= from && value <= to) return value;
    throw new InvalidArgumentError(`Write a whole number from ${from} to ${to}.`);
  };

const kindList = (text: string): readonly KindName[] =>
  text.split(',').map((name) => {
    const kind = KIND_NAMES.find((one) => one === name);
    if (kind === undefined)
      throw new InvalidArgumentError(`There is no "${name}"; there are ${KIND_NAMES.join(', ')}.`);
    return kind;
  });

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const tell = (played: Played): void => {
  print(lineOf(played));
  const problems = problemsOf(played);
  for (const problem of problems.slice(0, NAMED_PROBLEMS)) print(`     ! ${problem}`);
  if (problems.length > NAMED_PROBLEMS) print(`     ! and ${problems.length - NAMED_PROBLEMS} more`);
  if ('evidence' in played) print(played.evidence.replaceAll(/^/gm, '     | '));
};

const main = async (options: Options): Promise<void> => {
  const { seed = Math.floor(Math.random() * MAX_SEED), flavour } = options;
  const kinds = options.only ?? KIND_NAMES;
  // In the arguments, so that the same seed is drawn inside of the sandbox.
  if (options.seed === undefined) process.argv.push('--seed', String(seed));
  await enterSandbox();
  print(`${KINDS[flavour].title}, seed ${seed}: ${options.faults} faults of each kind (${kinds.join(', ')})\n`);
  const faults = planFaults(seed, kinds, options.faults);
  const keep = options.keep === undefined ? undefined : resolve(options.keep);
  const played = await playCampaign({ flavour, faults, tell, keep });
  const summaries = summarise(played, kinds);
  print(`\n${table(summaries)}\n`);
  const failed = played.filter((one) => problemsOf(one).length > 0);
  if (options.json !== undefined) {
    const report = { at: new Date().toISOString(), server: KINDS[flavour].title, seed, kinds: summaries, played };
    writeFileSync(
      options.json,
      `${JSON.stringify(report, (key, value) => (key === 'lists' ? undefined : value), 2)}\n`,
    );
  }
  print(`${played.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
};

const kindsHelp = [
  '',
  'Kinds of faults:',
  ...KIND_NAMES.map((name) => `  ${name.padEnd(12)}${KINDS_OF_FAULT[name].title}`),
];

await new Command('scripts/registers')
  .description(
    'Several clients append to registers through the VIP of a real pair while faults are injected at random; afterwards every acknowledged append has to be there, in order, once, on both nodes.',
  )
  .option('--seed <number>', 'what is drawn at random; a fresh one is printed', wholeNumber(0, MAX_SEED))
  .option('--faults <count>', 'of each kind', wholeNumber(1, MAX_FAULTS), DEFAULT_FAULTS)
  .option('--only <kinds>', 'these, with commas between', kindList)
  .addOption(new Option('--flavour <name>', 'the kind of the servers').choices(Object.keys(KINDS)).default('mariadb'))
  .option('--json <file>', 'write what was found')
  .option('--keep <directory>', 'copy the files of pairs in which something went wrong into this directory')
  .addHelpText('after', kindsHelp.join('\n'))
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
