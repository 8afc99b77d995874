#!/usr/bin/env node
/** vipctl: shows and steers the agent on this host. */

import { createInterface } from 'node:readline/promises';
import { checkConfig } from '../config/check.js';
import { runVipctl } from './commands/program.js';
import type { Terminal } from './commands/terminal.js';

/** A terminal that does not know its size, a serial console say, tells 0. */
const USUAL = { columns: 80, rows: 24 } as const;

const askAtTerminal = async (question: string): Promise<string> => {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
};

const terminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  size() {
    const { isTTY, columns, rows } = process.stdout;
    return isTTY ? { columns: columns || USUAL.columns, rows: rows || USUAL.rows } : null;
  },
  prompt: process.stdin.isTTY ? askAtTerminal : null,
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
