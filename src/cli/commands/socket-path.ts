/** Where the agent's control socket is: as told, as configured, or the usual place. */

import { existsSync, readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';

export const DEFAULT_CONFIG = '/etc/vipd/vipd.yaml';
export const DEFAULT_SOCKET = '/run/vipd/control.sock';

/** `note`: what an operator should know of where it was found. */
export type SocketPath =
  | { readonly ok: true; readonly path: string; readonly note?: string }
  | { readonly ok: false; readonly text: string };

/** Where configuration and socket are unless somebody says otherwise. */
const USUAL = { config: DEFAULT_CONFIG, socket: DEFAULT_SOCKET } as const;

/** `socket` and `config` as given on the command line. A configuration that nobody named may be missing or unreadable. */
export const findSocket = (
  socket: string | undefined,
  config: string | undefined,
  usual: Readonly<Record<'config' | 'socket', string>> = USUAL,
): SocketPath => {
  if (socket !== undefined) return { ok: true, path: socket };
  const path = config ?? usual.config;
  const unknown = (reason: string): SocketPath =>
    // Another file's agent has another socket: the usual one may be that of another group.
    config === undefined
      ? { ok: true, path: usual.socket }
      : { ok: false, text: `cannot read the configuration ${path}: ${reason}; name the socket with --socket instead` };
  try {
    // The rest of the file is the agent's to check, and may be wrong just when vipctl is needed: a reload of a broken file is
    // refused by the agent, which then says so in its status.
    const document = parseDocument(readFileSync(path, 'utf8'), { uniqueKeys: false, logLevel: 'silent' });
    const named: unknown = document.getIn(['control', 'socket']);
    if (typeof named === 'string')
      return path === usual.config ? unlessMoved(named, usual.socket) : { ok: true, path: named };
    const [broken] = document.errors;
    if (broken === undefined || path === usual.config) return { ok: true, path: usual.socket };
    return unknown(firstLine(broken.message));
  } catch (error) {
    return unknown(error instanceof Error ? firstLine(error.message) : String(error));
  }
};

/** A changed `control.socket` takes effect at a restart: until then the agent listens where it did. */
const unlessMoved = (named: string, usual: string): SocketPath => {
  if (named === usual || existsSync(named) || !existsSync(usual)) return { ok: true, path: named };
  return { ok: true, path: usual, note: `there is no socket ${named}, as the configuration says; asking at ${usual}` };
};

const firstLine = (text: string): string => text.split('\n')[0] ?? '';
