/** Where the agent's lock file is. */

import { dirname, join } from 'node:path';
import type { VipdConfig } from '../../config/types.js';

/** Beside the control socket: there it can be made even when the disk of the state directory is read-only. */
export const agentLockPath = (config: Pick<VipdConfig, 'control' | 'group'>): string =>
  join(dirname(config.control.socket), `agent-${config.group}.lock`);
