/** A stranger that answers for the VIP when a node comes to take it. */

import { run } from '../lab/command.js';
import { monotonicMs } from '../lab/load.js';
import { ADDRESSES, addressesOf, on, withPrefix } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

/** Several attempts of the node to take it, each after a longer wait. */
const STRANGER_STAYS_MS = 6_000;
/** Clients that were told before may still wait for an answer. */
const ANSWERED_MS = 1_500;

const strangerAddress = async ({ lab }: Stage, action: 'add' | 'del'): Promise<void> => {
  const noDetection = action === 'add' && lab.vip.includes(':') ? ['nodad'] : [];
  const address = ['ip', 'address', action, withPrefix(lab.vip), 'dev', 'eth0', ...noDetection];
  await run([...on('stranger'), ...address]);
};

/** What an operator reads there, until all of it has been read at once: between two attempts nothing is held. */
const operatorReads = (stage: Stage, args: readonly string[], what: readonly string[]): Promise<void> =>
  waitFor(
    async () => {
      const { stdout, stderr } = await stage.lab.vipctl(stage.standby, args);
      return what.every((words) => stdout.includes(words)) || `${stdout}${stderr}`;
    },
    `vipctl ${args.join(' ')} on ${stage.standby} says ${what.join(', ')}`,
    PATIENCE_MS,
  );

const answeredFor = async (stage: Stage): Promise<void> => {
  const { lab, fault, active, standby, goOn, note, acknowledgedSince, untilActive } = stage;
  await fault(`a stranger has ${lab.vip}, then ${active} is powered off`, async () => {
    await strangerAddress(stage, 'add');
    await lab.powerOff(active);
  });
  await goOn(ANSWERED_MS);
  const since = monotonicMs();
  const { mac } = ADDRESSES.stranger;
  await operatorReads(stage, ['status'], ['holds "stranger"', mac, `arping -c 3 ${lab.vip}`]);
  await operatorReads(stage, ['history'], ['stranger', mac]);
  await goOn(STRANGER_STAYS_MS);
  if ((await addressesOf(standby)).includes(lab.vip)) throw new Error(`${standby} has taken ${lab.vip} all the same`);
  const written = acknowledgedSince(since).length;
  if (written > 0) throw new Error(`${written} writes passed while a stranger had the VIP`);
  const refusals = (await lab.journal(standby)).filter(({ kind, cause }) => kind === 'hold' && cause === 'stranger');
  note(`${refusals.length} attempts: ${refusals[0]?.text}`);
  await fault('the stranger gives it up', () => strangerAddress(stage, 'del'));
  await untilActive(standby);
  await lab.powerOn(active);
};

export const STRANGERS: readonly Scenario[] = [
  {
    id: '24',
    orphans: 'may be kept',
    title: 'VIP answered for by a stranger',
    outcome: 'not taken, said so; taken once the stranger is gone',
    moves: { exactly: 1 },
    run: answeredFor,
  },
  {
    id: '24-ipv6',
    orphans: 'may be kept',
    title: 'VIP answered for by a stranger, IPv6 VIP',
    outcome: 'not taken, said so; taken once the stranger is gone',
    lab: { ipv6: true },
    moves: { exactly: 1 },
    run: answeredFor,
  },
];
