/** After how long without progress the parts that apply transactions end by themselves: around the core's own deadline. */

import type { VipdConfig } from '../config/types.js';

/** For the client to be ended, and what it had begun to be rolled back. */
const TO_SAY_MS = 2_000;

/** Later than the core, which holds and says so: this is for steps that the core does not watch. */
export const databaseStallMs = ({ promotion }: Pick<VipdConfig, 'promotion'>): number =>
  promotion.catchUpTimeoutMs + TO_SAY_MS;

/** Sooner than the core, so that what could not be had is named. */
export const salvageStallMs = ({ promotion }: Pick<VipdConfig, 'promotion'>): number =>
  Math.max(promotion.catchUpTimeoutMs / 2, promotion.catchUpTimeoutMs - TO_SAY_MS);
