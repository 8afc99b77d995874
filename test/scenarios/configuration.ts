/** Changes of the configuration while the pair serves: a broken file, and what a running agent takes over. */

import { readFileSync, writeFileSync } from 'node:fs';
import { brokenWrites } from '../lab/checks.js';
import type { LabOptions } from '../lab/host-files.js';
import { longestOutage, monotonicMs } from '../lab/load.js';
import type { Scenario, Stage } from './stage.js';

/** A lease that a busy machine does not miss: what would move here would move because of a reload. */
const CALM: LabOptions = { config: { heartbeat: { dead_after: 10 } } };
const STEADY_MS = 1_000;
const RELOADS = 10;

/** Writes what `spoil` makes of the file, asks for a reload, and answers what was refused; the file is as it was then. */
const refusedReload = async ({ lab, active }: Stage, spoil: (text: string) => string): Promise<string> => {
  const { config } = lab.files[active];
  const before = readFileSync(config, 'utf8');
  writeFileSync(config, spoil(before));
  const { status, stderr } = await lab.vipctl(active, ['reload']);
  writeFileSync(config, before);
  if (status !== 4) throw new Error(`vipctl reload of a broken file: exit status ${status}`);
  return stderr;
};

const mustSay = (where: string, text: string, what: RegExp): void => {
  if (!what.test(text)) throw new Error(`${where} does not say ${what}: ${text}`);
};

const brokenReload = async (stage: Stage): Promise<void> => {
  const { lab, active, fault, note, goOn } = stage;
  const before = (await lab.status(active)).config;
  let said = '';
  await fault(`a broken vipd.yaml on ${active}, and a reload`, async () => {
    said = await refusedReload(stage, (text) => text.replace('interval: 100ms', 'interval: "100"'));
  });
  note(`it says: ${said.trim().split('\n').at(-1)}`);
  mustSay('vipctl reload', said, /vipd\.yaml:\d+:\d+: heartbeat\.interval: .*100ms/);
  const { config } = await lab.status(active);
  if (config.version !== before.version) throw new Error('another configuration than before is in force');
  mustSay('status', config.reload?.details.join('\n') ?? '', /vipd\.yaml:\d+:\d+: heartbeat\.interval/);
  const last = (await lab.journal(active)).at(-1);
  mustSay('history', `${last?.kind} ${last?.cause} ${last?.text}`, /refusal reload .*vipd\.yaml:\d+:\d+/);
  await goOn(STEADY_MS);
  const { status, stderr } = await lab.vipctl(active, ['reload']);
  if (status !== 0) throw new Error(`vipctl reload of the sound file: exit status ${status}: ${stderr}`);
};

/** Both agents, by turns: a check and another accepted loss come and go. */
const reloadAgainAndAgain = async (stage: Stage): Promise<void> => {
  const { lab, active, standby, fault, goOn, note, load } = stage;
  await goOn(STEADY_MS);
  const began = monotonicMs();
  for (const node of [active, standby]) {
    const { config } = lab.files[node];
    const plain = readFileSync(config, 'utf8');
    const other = `${plain}checks: [{ name: fine, command: [/bin/true] }]\npromotion: { max_loss: 7s }\n`;
    for (let turn = 1; turn <= RELOADS; turn += 1) {
      writeFileSync(config, turn % 2 === 1 ? other : plain);
      await fault(`reload ${turn} of ${node}`, async () => {
        const answer = await lab.ask(node, { request: 'reload' });
        mustSay('the agent', answer.text, /^configuration reloaded; changed: checks, promotion\.max_loss$/m);
      });
    }
  }
  await goOn(STEADY_MS);
  const broken = brokenWrites(load, standby, began);
  const { ms } = longestOutage(load.fresh.attempts, began);
  note(
    `${2 * RELOADS} reloads in ${Math.round(monotonicMs() - began)} ms; at most ${Math.round(ms)} ms between two writes`,
  );
  if (broken.length > 0) throw new Error(`${broken.length} writes were cut off, the first with ${broken[0]}`);
};

export const CONFIGURATION: readonly Scenario[] = [
  {
    id: '31',
    title: 'configuration broken, then reload',
    outcome: 'old one stays in force; the error says where',
    lab: CALM,
    run: brokenReload,
  },
  {
    id: '31b',
    title: 'reload under load, again and again',
    outcome: 'no move, no write cut off',
    lab: CALM,
    run: reloadAgainAndAgain,
  },
];
