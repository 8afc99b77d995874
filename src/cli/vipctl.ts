#!/usr/bin/env node
/** vipctl: shows and steers the agent on this host. */

import { checkConfig } from '../config/check.js';
import { runVipctl } from './commands/program.js';
import type { Terminal } from './commands/terminal.js';

/** A terminal that does not know its size, a serial console say, tells 0. */
const USUAL = { columns: 80, rows: 24 } as const;

const terminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  size() {
    const { isTTY, columns, rows } = process.stdout;
    return isTTY ? { columns: columns || USUAL.columns, rows: rows || USUAL.rows } : null;
  },
  environment: process.env,
  onInterrupt(listener) {
    process.on('SIGINT', listener);
    return () => process.off('SIGINT', listener);
  },
};

// `vipctl history | head` closes the pipe early, which is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await runVipctl(process.argv.slice(2), { terminal, checkConfig });
