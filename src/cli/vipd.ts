#!/usr/bin/env node
/** `vipd`: the agent of a database host, the witness, and the cleaning up after an agent that is gone. */

import { runVipd } from './commands/daemons.js';

process.exit(await runVipd(process.argv.slice(2)));
