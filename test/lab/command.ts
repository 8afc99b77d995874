/** Runs a command to its end, with a deadline, and says all of it when it fails. */

import { spawn } from 'node:child_process';

const DEFAULT_TIMEOUT_MS = 20_000;
/** What one command may print; more is cut off. */
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

export interface CommandOptions {
  /** Written to its standard input. */
  readonly input?: string;
  readonly timeoutMs?: number;
}

export interface CommandResult {
  /** Exit status; -1 for a command that a signal ended. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run it whatever comes of it; rejects only when it cannot be started or does not end in time. */
export const attempt = (argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> => {
  const [command = '', ...args] = argv;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${argv.join(' ')}: no end within ${timeoutMs} ms; so far it said: ${out()}${err()}`));
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${command} cannot be started: ${error.message}`));
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ status: code ?? -1, stdout: out(), stderr: err() });
    });
    // A command that ends before it has read everything closes the pipe; its exit status tells the story.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
};

/** Run it; anything but exit status 0 is an error. Answers what it printed. */
export const run = async (argv: readonly string[], options: CommandOptions = {}): Promise<string> => {
  const result = await attempt(argv, options);
  if (result.status === 0) return result.stdout;
  const said = `${result.stderr}${result.stdout}`.trim();
  throw new Error(`${argv.join(' ')}: exit status ${result.status}: ${said}`);
};

const collect = (stream: NodeJS.ReadableStream): (() => string) => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= OUTPUT_LIMIT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
};
