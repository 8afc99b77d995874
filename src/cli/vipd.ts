#!/usr/bin/env -S node --max-semi-space-size=1 --optimize-for-size --v8-pool-size=1
/**
 * `vipd`: the agent of a database host, the witness, and the cleaning up after an agent that is gone.
 *
 * The first line keeps memory small: left to itself V8 lets the garbage of a process that lives on for months, at a few
 * kilobytes a heartbeat, grow to 48 MB before it looks at it, and keeps four threads for a program that sleeps.
 */

import { runVipd } from './commands/daemons.js';

process.exit(await runVipd(process.argv.slice(2)));
