/** Runs the scenarios: one line each, and "N passed, N failed" at the end. */

import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { KINDS } from '../lab/kinds.js';
import { enterSandbox } from '../lab/sandbox.js';
import type { ServerKind } from '../lab/server-kind.js';
import { agentFaults } from './agents.js';
import { BEHIND } from './behind.js';
import { CLOCK_FAULTS } from './clock.js';
import { CONFIGURATION } from './configuration.js';
import { CRASHES } from './crash.js';
import { DISK_FAULTS } from './disk.js';
import { DIVERGENCES } from './divergence.js';
import { EVENTS } from './events.js';
import { hostile } from './hostile.js';
import { NETWORK_FAULTS } from './network.js';
import { OPERATIONS } from './operator.js';
import { PAIRS_ALONE } from './pair-alone.js';
import { PATHS } from './paths.js';
import { type PlayOptions, play } from './play.js';
import { LONG_POSITIONS } from './positions.js';
import { privileged } from './privileged.js';
import { RULESET_FAULTS } from './ruleset.js';
import { SALVAGES } from './salvage.js';
import { SEMI_SYNC_FAULTS } from './semi-sync.js';
import { SERVER_DISKS } from './server-disk.js';
import { SERVER_FAULTS } from './servers.js';
import { SHUTDOWNS } from './shutdown.js';
import type { Extent, Scenario } from './stage.js';
import { STANDBY_VIP } from './standby-vip.js';
import { starvation } from './starved.js';
import { STRANGERS } from './stranger.js';
import { unfinished } from './unfinished.js';
import { WITNESS_FAULTS } from './witness.js';

const MAX_REPEAT = 1_000;

/** By number, variants of a number in the order of their letters. */
const scenariosOf = (extent: Extent): readonly Scenario[] =>
  [
    ...CRASHES,
    ...SALVAGES,
    ...SHUTDOWNS,
    ...agentFaults(extent),
    ...NETWORK_FAULTS,
    ...PATHS,
    ...PAIRS_ALONE,
    ...WITNESS_FAULTS,
    ...OPERATIONS,
    ...CONFIGURATION,
    ...hostile(extent),
    ...STRANGERS,
    ...starvation(extent),
    ...DISK_FAULTS,
    ...EVENTS,
    ...CLOCK_FAULTS,
    ...RULESET_FAULTS,
    ...SERVER_FAULTS,
    ...DIVERGENCES,
    ...BEHIND,
    ...SEMI_SYNC_FAULTS,
    ...SERVER_DISKS,
    ...LONG_POSITIONS,
    ...STANDBY_VIP,
    ...unfinished(extent),
    ...privileged(extent),
  ].sort((a, b) => numberOf(a) - numberOf(b) || a.id.localeCompare(b.id));

/** Those of no number in the list of faults come last. */
const numberOf = ({ id }: Scenario): number => {
  const number = Number.parseInt(id, 10);
  return Number.isNaN(number) ? Number.MAX_SAFE_INTEGER : number;
};

/** One of several runs that share the scenarios out. */
interface Part {
  readonly number: number;
  readonly of: number;
}

interface RunOptions {
  readonly only?: readonly string[];
  readonly part?: Part;
  readonly repeat: number;
  readonly full?: true;
  readonly ipv6?: true;
  readonly flavour: ServerKind['name'];
  readonly keep?: string;
  readonly list?: true;
  readonly verbose?: true;
}

const repeatCount = (text: string): number => {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_REPEAT) return count;
  throw new InvalidArgumentError(`Write a whole number from 1 to ${MAX_REPEAT}.`);
};

const part = (text: string): Part => {
  const [, number = 0, of = 0] = (/^(\d{1,2})\/(\d{1,2})$/.exec(text) ?? []).map(Number);
  if (number >= 1 && number <= of) return { number, of };
  throw new InvalidArgumentError('Write 1/2 for the first of two parts.');
};

/** `1` stands for all its variants, `6a` and `1-ipv6` for one. */
const chosen = ({ only, part, full }: RunOptions): readonly Scenario[] =>
  scenariosOf(full ? 'full' : 'short')
    .filter(({ id }) => !only || only.includes(id) || only.includes(String(Number.parseInt(id, 10))))
    .filter((_, index) => !part || index % part.of === part.number - 1);

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Answers whether it passed. */
const playAndTell = async (scenario: Scenario, options: RunOptions, turn: number): Promise<boolean> => {
  const begin = performance.now();
  const playOptions: PlayOptions = {
    lab: { flavour: options.flavour, ...(options.ipv6 ? { ipv6: true } : {}) },
    ...(options.keep === undefined ? {} : { keep: join(resolve(options.keep), `${scenario.id}-${turn}`) }),
  };
  const { problems, notes, outageMs, evidence } = await play(scenario, playOptions);
  const seconds = ((performance.now() - begin) / 1_000).toFixed(1);
  const outage = outageMs === undefined ? '' : `, writes out for ${outageMs.toFixed(0)} ms`;
  const verdict = problems.length === 0 ? 'ok  ' : 'FAIL';
  print(`${verdict} ${scenario.id.padEnd(7)} ${scenario.title}: ${scenario.outcome}${outage} (${seconds} s)`);
  if (options.verbose || problems.length > 0) for (const note of notes) print(`       ${note}`);
  for (const problem of problems) print(`     ! ${problem}`);
  if (evidence !== '') print(evidence.replaceAll(/^/gm, '     | '));
  return problems.length === 0;
};

const main = async (options: RunOptions): Promise<void> => {
  const scenarios = chosen(options);
  if (scenarios.length === 0) throw new Error(`no such scenario: ${options.only?.join(', ')}; see --list`);
  if (options.list) {
    for (const { id, title, outcome } of scenarios) print(`${id.padEnd(7)} ${title}: ${outcome}`);
    return;
  }
  await enterSandbox();
  let [passed, failed] = [0, 0];
  for (let turn = 1; turn <= options.repeat; turn += 1) {
    for (const scenario of scenarios) {
      if (await playAndTell(scenario, options, turn)) passed += 1;
      else failed += 1;
    }
  }
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
};

await new Command('scenarios')
  .description('Faults on real databases under write load, each on a fresh lab.')
  .option('--only <ids>', 'these, with commas between; a number stands for its variants', (ids) => ids.split(','))
  .option('--part <number/of>', 'every so manieth of them, for several runs side by side: 1/2, 2/2', part)
  .option('--repeat <count>', 'all of them so often', repeatCount, 1)
  .option('--full', 'as often, or for as long, as the list of faults asks for')
  .addOption(new Option('--flavour <name>', 'the kind of the servers').choices(Object.keys(KINDS)).default('mariadb'))
  .option('--ipv6', 'with an IPv6 VIP')
  .option('--keep <directory>', 'copy the files of scenarios that fail into this directory')
  .option('--verbose', 'tell what was done and seen also where it passed')
  .option('--list', 'only name them')
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
