/** Waits until the agent has judged this node clean, and it replicates. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../control/status.js';
import { boottimeMs } from '../../host/clock.js';
import { CommandError, type LocalNode } from './local-node.js';

/** From the end of the work to the agent's judgement: a look at the database, a comparison, the start of the channel. */
const JUDGEMENT_MS = 120_000;
const JUDGEMENT_POLL_MS = 500;

/** The hold goes when the agent has compared, and not because of this command. */
export const untilFit = async (node: LocalNode, signal: AbortSignal): Promise<string> => {
  const endsAtMs = boottimeMs() + JUDGEMENT_MS;
  let last = 'no answer yet';
  while (!signal.aborted && boottimeMs() < endsAtMs) {
    const status = await node.status().catch((error: unknown) => {
      last = error instanceof Error ? error.message : String(error);
      return null;
    });
    const unfit = status === null ? last : whyUnfit(status);
    if (unfit === '') return `${node.config.self.name} replicates, and is fit to take over`;
    last = unfit;
    await sleep(JUDGEMENT_POLL_MS);
  }
  throw new CommandError(`the work is done, but ${node.config.self.name} is not fit yet: ${last}; see "vipctl status"`);
};

const whyUnfit = ({ nodes }: Status): string => {
  const self = nodes.find((node) => node.self);
  if (self === undefined) return 'the status does not name it';
  if (self.unfit !== '') return self.unfit;
  return self.replication.running === true ? '' : 'it does not replicate yet';
};
