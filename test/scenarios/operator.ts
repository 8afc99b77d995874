/** What operators do: planned moves, hands on addresses and variables, hooks that misbehave, a second agent. */

import { request } from '../../src/control/client.js';
import type { Lab } from '../lab/lab.js';
import { ADDRESSES, addressesOf, type NodeName, withPrefix } from '../lab/topology.js';
import { waitFor } from '../lab/wait.js';
import { connectApp } from './servers.js';
import { PATIENCE_MS, type Scenario, type Stage } from './stage.js';

const SWITCHOVERS = 10;
/** Between two planned moves, so that the announcements of the first are over. */
const BETWEEN_MS = 2_000;
const STEADY_MS = 3_000;
const ATTEMPTS = 5;
/** So a pre-flight names a write of the scenario's load that has been under way for long. */
const OWN_LOAD = 'runs: INSERT INTO lab.writes';

export const switchover = async (stage: Stage, to: NodeName, attempts = ATTEMPTS): Promise<string> => {
  const { lab, untilActive, note, goOn } = stage;
  // From either node, in turn: the standby carries the operator's word to the active.
  const { status, stdout, stderr } = await lab.vipctl('db1', ['switchover']);
  if (status !== 0 && stderr.includes(OWN_LOAD) && attempts > 1) {
    // A starved machine keeps one of the load's own writes waiting for a second: an operator looks, and asks again.
    note(`refused, asked again: ${stderr.trim()}`);
    await goOn(BETWEEN_MS);
    return switchover(stage, to, attempts - 1);
  }
  if (status !== 0) throw new Error(`vipctl switchover: exit status ${status}: ${stdout}${stderr}`);
  await untilActive(to);
  return stdout;
};

/** The same as `vipctl switchover --timeout`, without the time that starting it takes; the last word, whatever it is. */
export const askToMove = async (lab: Lab, node: NodeName, timeoutMs: number): Promise<string> => {
  const order = { request: 'switchover', timeoutMs } as const;
  const { kind, text } = await request(lab.files[node].controlSocket, order, { timeoutMs: PATIENCE_MS });
  return `${kind}: ${text}`;
};

const switchAgainAndAgain = async (stage: Stage): Promise<void> => {
  const { active, standby, fault, goOn, noteOutage, outageMs, note } = stage;
  const outages: number[] = [];
  for (let turn = 1; turn <= SWITCHOVERS; turn += 1) {
    const to = turn % 2 === 1 ? standby : active;
    await fault(`switchover to ${to}`, () => switchover(stage, to));
    await stage.untilSettled();
    outages.push(Math.round(outageMs()));
    noteOutage();
    await goOn(BETWEEN_MS);
  }
  note(`outages in ms: ${outages.join(' ')}`);
};

const removeVip = async ({ lab, active, fault, note, untilWritesPass }: Stage): Promise<void> => {
  const capture = await lab.capture('client', 'eth0', `(arp or icmp6) and ether src ${ADDRESSES[active].mac}`);
  await fault(`ip address del on ${active}`, () =>
    lab.exec(active, ['ip', 'address', 'del', withPrefix(lab.vip), 'dev', 'eth0']),
  );
  await waitFor(async () => (await addressesOf(active)).includes(lab.vip), 'the VIP is put back', PATIENCE_MS);
  await waitFor(
    () => capture.packets.some((packet) => packet.text.includes(lab.vip)) || 'no announcement',
    'the VIP is announced',
    PATIENCE_MS,
  );
  await untilWritesPass();
  note(`${(await capture.stop()).length} announcements seen by a client`);
};

/** A journal entry that somebody's hand was noticed, whatever its wording. */
const journalSays = async ({ lab }: Stage, node: NodeName, what: RegExp): Promise<void> => {
  await waitFor(
    async () => (await lab.journal(node)).some((entry) => what.test(`${entry.cause} ${entry.text}`)),
    `the journal of ${node} says ${what}`,
    PATIENCE_MS,
  );
};

const openStandby = async (stage: Stage): Promise<void> => {
  const { lab, standby, fault, goOn } = stage;
  const client = await connectApp(lab, standby);
  client.on('error', () => undefined);
  await fault(`SET GLOBAL read_only=0 on ${standby}`, () => lab.database[standby].sql('SET GLOBAL read_only=0'));
  await waitFor(
    async () => Number((await lab.database[standby].sql('SELECT @@global.read_only AS r'))[0]?.r) === 1,
    'read_only is put back',
    PATIENCE_MS,
  );
  await journalSays(stage, standby, /writable-standby .*making it read-only/);
  await journalSays(stage, standby, /database-fence read-only, \d+ client sessions ended: .*app@localhost/);
  client.destroy();
  await goOn(STEADY_MS);
};

/** As strong as it gets: on MySQL the agent's own write is refused too. */
const closeActive = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, untilActive } = stage;
  const server = lab.database[active];
  const strongest = server.kind.name === 'mysql' ? 'super_read_only' : 'read_only';
  await fault(`SET GLOBAL ${strongest}=1 on ${active}`, () => server.sql(`SET GLOBAL ${strongest}=1`));
  await untilActive(standby);
  await journalSays(stage, active, /another hand made the database read-only/);
  await goOn(STEADY_MS);
};

const secondAgent = async ({ lab, active, fault, goOn, note }: Stage): Promise<void> => {
  const { argv } = lab.agent[active];
  await fault(`a second agent on ${active}`, async () => {
    const { status, stdout, stderr } = await lab.exec(active, argv);
    if (status === 0) throw new Error('a second agent on the same host ended with exit status 0');
    const said = `${stderr}${stdout}`.trim();
    note(`it says: ${said.split('\n').at(-1)}`);
    if (!/another|already|lock|runs/i.test(said)) throw new Error(`a second agent does not say why it ends: ${said}`);
  });
  await goOn(STEADY_MS);
};

const HOOKS = {
  'pre-demote/10-flood': '#!/bin/sh\nhead -c 100000000 /dev/zero | tr "\\0" x\nexit 0\n',
  'post-demote/10-fail': '#!/bin/sh\necho "cannot tell the pager" >&2\nexit 3\n',
  'post-promote/10-hang': '#!/bin/sh\nexec sleep 1000\n',
};

const badHooks = async (stage: Stage): Promise<void> => {
  const { lab, standby, active, fault, goOn, note } = stage;
  await fault('switchover with a hook that floods, one that fails and one that hangs', () =>
    switchover(stage, standby),
  );
  for (const [node, phase, name] of [
    [active, 'post-demote', '10-fail'],
    [standby, 'post-promote', '10-hang'],
  ] as const) {
    await waitFor(
      async () => {
        const { failures } = (await lab.status(node)).hooks;
        return failures.some((one) => one.phase === phase && one.name === name) || JSON.stringify(failures);
      },
      `the status of ${node} shows the failure of ${phase}/${name}`,
      PATIENCE_MS,
    );
  }
  const { stalls } = (await lab.status(standby)).counters;
  note(`stalls of the new active's agent: ${stalls.count}, longest ${Math.round(stalls.longestMs)} ms`);
  await goOn(STEADY_MS);
};

export const OPERATIONS: readonly Scenario[] = [
  {
    id: '18',
    title: 'switchover under load, again and again',
    outcome: 'nothing lost; outage measured',
    moves: { exactly: SWITCHOVERS },
    run: switchAgainAndAgain,
  },
  {
    id: '18-ipv6',
    title: 'switchover under load, again and again, IPv6 VIP',
    outcome: 'nothing lost; outage measured',
    lab: { ipv6: true },
    moves: { exactly: SWITCHOVERS },
    run: switchAgainAndAgain,
  },
  { id: '23', title: 'VIP removed by hand', outcome: 'put back at once, announced', run: removeVip },
  {
    id: '29',
    title: 'hook hangs, fails, floods its output',
    outcome: 'deadline; heartbeats unaffected; shown',
    lab: { hooks: HOOKS, config: { hooks: { timeout: '1s' } } },
    moves: { exactly: 1 },
    run: badHooks,
  },
  {
    id: '32',
    title: 'two agents started on one host',
    outcome: 'the second exits with a clear error',
    run: secondAgent,
  },
  { id: '41', title: 'read_only=0 set on the standby by hand', outcome: 'put back, and said', run: openStandby },
  {
    id: '41b',
    title: 'the active made read-only by hand',
    outcome: 'handoff, and said',
    // Else it waits until that is over, since the pair has come up just now.
    lab: { config: { moves: { cooldown: '0s' } } },
    moves: { exactly: 1 },
    run: closeActive,
  },
];
