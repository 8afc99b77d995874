/** Semi-sync: */
import type { Scenario } from './stage.js';
export const SEMI_SYNC_FAULTS: readonly Scenario[] = [];
