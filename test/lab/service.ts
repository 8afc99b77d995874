/** The server of a lab host as a service: commands that stop and start it, as `rejoin.stop` and `rejoin.start` ask for. */

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Server } from './mysqld.js';

/** Both wait, so long at most. */
const TRIES = 600;
const POLL_MS = 100;

export interface ServiceCommands {
  readonly stop: string;
  readonly start: string;
}

/** Names of the scripts below `directory`. */
export const serviceCommands = (directory: string): ServiceCommands => ({
  stop: join(directory, 'stop-database'),
  start: join(directory, 'start-database'),
});

const wanted = (directory: string): string => join(directory, 'start-wanted');

const untilNot = (condition: string): string =>
  `n=0\nwhile ${condition}; do n=$((n + 1)); [ $n -gt ${TRIES} ] && exit 1; sleep 0.1; done`;

export const writeServiceCommands = (directory: string, pidFile: string): void => {
  const { stop, start } = serviceCommands(directory);
  const script = (path: string, ...lines: readonly string[]): void =>
    writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
  script(stop, `pid=$(cat ${pidFile} 2>/dev/null) || exit 0`, 'kill "$pid"', untilNot('kill -0 "$pid" 2>/dev/null'));
  script(start, `touch ${wanted(directory)}`, untilNot(`[ -e ${wanted(directory)} ]`));
};

/** Starts the server when its start command asks for it, until told to stop. */
export const superviseService = (server: Server, directory: string): (() => Promise<void>) => {
  let starting: Promise<void> | undefined;
  const timer = setInterval(() => {
    if (starting !== undefined || !existsSync(wanted(directory))) return;
    // A start that fails leaves the command waiting, until it gives up.
    starting = server
      .start()
      .then(() => rmSync(wanted(directory), { force: true }))
      .catch(() => undefined)
      .finally(() => {
        starting = undefined;
      });
  }, POLL_MS);
  return async () => {
    clearInterval(timer);
    await starting;
  };
};
