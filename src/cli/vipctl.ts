#!/usr/bin/env node
/** vipctl: shows and steers the agent on this host. */

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { checkConfig } from '../config/check.js';
import { daemonAccounts } from './commands/daemon-accounts.js';
import { openOutput } from './commands/output.js';
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

/** The question is written past readline, whose echo goes nowhere. */
const askSecretly = async (question: string): Promise<string> => {
  process.stdout.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stdout.write('\n');
  }
};

const stdout = openOutput(process.stdout);

const terminal: Terminal = {
  out: stdout.write,
  err: openOutput(process.stderr).write,
  isClosed: stdout.isClosed,
  size() {
    const { isTTY, columns, rows } = process.stdout;
    return isTTY ? { columns: columns || USUAL.columns, rows: rows || USUAL.rows } : null;
  },
  prompt: process.stdin.isTTY ? askAtTerminal : null,
  promptSecret: process.stdin.isTTY ? askSecretly : null,
  environment: process.env,
  onInterrupt(listener) {
    process.on('SIGINT', listener);
    return () => process.off('SIGINT', listener);
  },
};

process.exitCode = await runVipctl(process.argv.slice(2), {
  terminal,
  checkConfig: (path) => checkConfig(path, { daemonAccounts: daemonAccounts() }),
});
