/** Starts clients on their hosts, gives them work, and keeps what became of each of their operations. */

import { spawn } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { APP_PASSWORD, APP_USER, MYSQL_PORT } from '../lab/database.js';
import type { Lab } from '../lab/lab.js';
import { REGISTERS_CLIENT } from '../lab/programs.js';
import { type HostName, on } from '../lab/topology.js';
import type { Operation } from './history.js';

/** Each operation ends within its time, and a busy machine is slow. */
const STOP_DEADLINE_MS = 30_000;

/** One that follows announcements as any client does, and one for each node that sticks to it whoever has the VIP. */
const SESSIONS = { client: 4, pin1: 2, pin2: 2 } as const satisfies Partial<Record<HostName, number>>;
const CLIENT_HOSTS = ['client', 'pin1', 'pin2'] as const;

/** What one client is told to do. */
export interface Work {
  readonly registers: readonly number[];
  /** Of its sessions: the first part of their values. */
  readonly names: readonly string[];
  readonly seed: number;
}

export interface RoundOfWork {
  readonly registers: readonly number[];
  /** Makes the values of this round differ from all others. */
  readonly round: number;
  readonly seed: number;
}

/** Work under way. */
export interface Appending {
  /** What has ended so far. */
  readonly operations: readonly Operation[];
  /** Lets what is under way end. @throws Error where a client does not say so, and its last operations are not known */
  stop(): Promise<void>;
}

export interface Clients {
  begin(round: RoundOfWork): Appending;
  end(): void;
}

export const startClients = (lab: Lab): Clients => {
  const target = { host: lab.vip, port: MYSQL_PORT, user: APP_USER, password: APP_PASSWORD };
  const targetFile = join(lab.directory, 'registers.json');
  writeFileSync(targetFile, JSON.stringify(target), { mode: 0o600 });
  const clients = CLIENT_HOSTS.map((host) =>
    startClient(host, targetFile, join(lab.directory, `registers-${host}.log`)),
  );
  return {
    begin: ({ registers, round, seed }) => {
      const operations: Operation[] = [];
      const stops = clients.map((client, index) => {
        const sessions = SESSIONS[CLIENT_HOSTS[index] ?? 'client'];
        const names = Array.from({ length: sessions }, (_, session) => `${'cde'[index]}${session}.${round}`);
        return client.begin({ registers, names, seed: seed + index }, (operation) => operations.push(operation));
      });
      let stopping: Promise<unknown> | undefined;
      return {
        operations,
        stop: async () => {
          stopping ??= Promise.all(stops.map((stop) => stop()));
          await stopping;
        },
      };
    },
    end: () => {
      for (const client of clients) client.end();
    },
  };
};

interface Client {
  /** Answers what stops the work. */
  begin(work: Work, tell: (operation: Operation) => void): () => Promise<void>;
  end(): void;
}

const startClient = (host: HostName, targetFile: string, log: string): Client => {
  const [command = '', ...args] = [...on(host), process.execPath, REGISTERS_CLIENT, targetFile];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr.pipe(createWriteStream(log));
  // One that has died says nothing any more, which is noticed when it is to stop.
  child.stdin.on('error', () => undefined);
  let onLine: (line: string) => void = () => undefined;
  createInterface({ input: child.stdout }).on('line', (line) => onLine(line));
  return {
    begin: (work, tell) => {
      const ended = new Promise<void>((resolve) => {
        onLine = (line) => (line === '' ? resolve() : tell(JSON.parse(line) as Operation));
      });
      child.stdin.write(`${JSON.stringify(work)}\n`);
      return () => {
        child.stdin.write('\n');
        return inTime(ended, `the client on ${host} does not end its work; see ${log}`);
      };
    },
    end: () => {
      child.kill('SIGKILL');
    },
  };
};

const inTime = async (ended: Promise<void>, problem: string): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(problem)), STOP_DEADLINE_MS);
  });
  await Promise.race([ended, late]).finally(() => clearTimeout(timer));
};
