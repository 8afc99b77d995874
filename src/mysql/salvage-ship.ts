/** Beside a dead server: tells what its binary logs hold beyond what the asker has, and ships it as the server's own program prints it. */

import { connect } from 'node:net';
import { resolve as resolvePath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { differencePosition } from '../core/position.js';
import { type BinlogTail, createBinlogTail, type Shipment } from './binlog-tail.js';
import { describeTarget, type Target } from './connection.js';
import type { Database } from './database.js';
import { type Flavour, text } from './flavour.js';
import type { Link } from './links.js';
import { parseRequest, type SalvageNote, type SalvageTrailer } from './salvage-messages.js';
import { type Printed, printLogs } from './salvage-print.js';

/** Where the answer goes: the agents' channel. */
export interface ShipReply {
  send(bytes: Buffer): Promise<void>;
  note(value: SalvageNote): Promise<void>;
}

export interface SalvageShip {
  /** Asks a server that answers where its binary logs lie. Never rejects: then what was known stays. */
  learn(link: Link, deadlineMs: number): Promise<void>;
  /** Reads on in the binary logs, so that little is left to read when the server dies. Answers why it cannot, or nothing. */
  keepUp(signal: AbortSignal): Promise<string | undefined>;
  /** Answers a request of the peer's. @throws Error that says why nothing can be told. */
  handle(request: unknown, reply: ShipReply, signal: AbortSignal): Promise<SalvageTrailer>;
}

export interface SalvageShipOptions {
  readonly target: Target;
  readonly serverState: Database['serverState'];
  /** Default: the flavour's. */
  readonly program?: string;
  /** Default SHIP_STALL_MS. */
  readonly stallMs?: number;
  /** Default SHIP_MAX_BYTES. */
  readonly maxBytes?: number;
}

/** What the program may print; more than that is a rebuild's work, not a failover's. */
export const SHIP_MAX_BYTES = 8 * 1024 ** 3;
/** Without a byte of output for this long it hangs, as on a frozen disk. */
export const SHIP_STALL_MS = 30_000;
/** For a connection to a server that lives. */
const ALIVE_MS = 1_000;
/** A process that was killed gives its memory back before it closes its sockets, which takes seconds where it has much. */
const KILLED_MS = 5_000;
/** A server that shuts down ends its sessions within this; what takes it longer is writing pages, not commits. */
const SHUTDOWN_MS = 1_000;
const LOOK_AGAIN_MS = 20;

interface Known {
  readonly flavour: Flavour;
  readonly tail: BinlogTail;
  readonly indexFile: string;
}

export const createSalvageShip = (options: SalvageShipOptions): SalvageShip => {
  let known: Known | undefined;

  const learn = async ({ session, flavour }: Link, deadlineMs: number): Promise<void> => {
    const [row] = await session.query(LOCATION, deadlineMs);
    const dataDirectory = text(row, 'datadir');
    const index = text(row, 'log_bin_index');
    if (index === '') {
      known = undefined;
      return;
    }
    const indexFile = resolvePath(dataDirectory, index);
    if (known?.indexFile === indexFile) known = { ...known, flavour };
    else known = { flavour, indexFile, tail: createBinlogTail({ indexFile, dataDirectory }) };
  };

  const handle = async (request: unknown, reply: ShipReply, signal: AbortSignal): Promise<SalvageTrailer> => {
    const asked = parseRequest(request);
    if (asked === undefined) throw new Error('the request says no position; run the same vipd on both nodes');
    if (known === undefined) {
      throw new Error(
        'where its binary logs lie is not known: the server has not answered since vipd was started, or has log_bin off',
      );
    }
    await untilDead(options, signal);
    if ('only' in asked) return { kind: 'holds', position: (await known.tail.read(signal)).position };
    const shipment = await known.tail.compare(asked.have, signal);
    switch (shipment.kind) {
      case 'nothing':
        return { kind: 'nothing', position: shipment.tail.position };
      case 'cannot':
        return { kind: 'cannot', why: shipment.why, missing: shipment.missing };
      case 'ship':
        return await ship(options, known, shipment, reply, signal);
      default:
        return shipment satisfies never;
    }
  };

  return {
    learn: (link, deadlineMs) => learn(link, deadlineMs).catch(() => undefined),
    keepUp: async (signal) => {
      try {
        await known?.tail.read(signal);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
    handle,
  };
};

/** @throws Error where the server lives: what it went on to commit would be left out. */
const untilDead = async ({ target, serverState }: SalvageShipOptions, signal: AbortSignal): Promise<void> => {
  const startedAtMs = performance.now();
  const isOver = (withinMs: number): boolean => signal.aborted || performance.now() - startedAtMs >= withinMs;
  for (;;) {
    const state = serverState();
    const answer = await knock(target);
    if (answer === 'shut out')
      throw new Error(
        `whether the server (${describeTarget(target)}) runs cannot be told: EACCES; let the account of vipd (uid ` +
          `${process.geteuid?.() ?? 0}) reach its socket`,
      );
    const there = answer === 'there';
    const mayEnd = state === 'killed' && !isOver(KILLED_MS);
    if (there && !mayEnd)
      throw new Error(
        `the server (${describeTarget(target)}) runs: make it read-only and replicate from it, rather than salvage`,
      );
    if (!there && (state === 'ended' || state === 'unknown' || isOver(SHUTDOWN_MS))) return;
    await sleep(LOOK_AGAIN_MS);
  }
};

const LOCATION = `SELECT @@global.datadir AS datadir, IFNULL(@@global.log_bin_index, '') AS log_bin_index`;

type ToShip = Extract<Shipment, { readonly kind: 'ship' }>;

const ship = async (
  options: SalvageShipOptions,
  { flavour, tail }: Known,
  shipment: ToShip,
  reply: ShipReply,
  signal: AbortSignal,
): Promise<SalvageTrailer> => {
  const { upTo: position, transactions, missing } = shipment;
  await reply.note({ position, missing, transactions });
  const { bytes, problem } = await print(options, flavour, shipment, reply, signal);
  if (problem !== '') return { kind: 'cannot', why: problem, missing };
  // A supervisor may have started the server again; what it wrote since would stay behind.
  const returned = (await knock(options.target)) !== 'gone';
  const more = differencePosition((await tail.read(signal)).position, shipment.tail.position);
  if (more === '') return { kind: 'shipped', position, bytes, returned };
  const why = `the server was started again in the middle and has written ${more}; make it read-only, replicate from it`;
  return { kind: 'cannot', why, missing: more };
};

/** Everything to the end of the last whole transaction: what a crash tore off behind it is not printed. */
const print = (
  options: SalvageShipOptions,
  { salvage }: Flavour,
  { files, ...range }: ToShip,
  reply: ShipReply,
  signal: AbortSignal,
): Promise<Printed> =>
  printLogs(
    {
      program: options.program ?? salvage.binlogProgram,
      args: [...salvage.printOptions(range), ...files],
      stallMs: options.stallMs ?? SHIP_STALL_MS,
      maxBytes: options.maxBytes ?? SHIP_MAX_BYTES,
      signal,
    },
    (bytes) => reply.send(bytes),
  );

/** A server that hangs, too, holds its listening socket: only one that is gone refuses. */
const knock = (target: Target): Promise<'there' | 'gone' | 'shut out'> =>
  new Promise((resolve) => {
    const socket =
      target.socket === undefined
        ? connect({ host: target.host ?? '127.0.0.1', port: target.port ?? 3306 })
        : connect(target.socket);
    const settle = (answer: 'there' | 'gone' | 'shut out') => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => settle('there'), ALIVE_MS);
    socket.once('connect', () => settle('there'));
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) =>
      settle(['ENOENT', 'ECONNREFUSED'].includes(code) ? 'gone' : code === 'EACCES' ? 'shut out' : 'there'),
    );
  });
