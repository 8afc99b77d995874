/** Where the agent's control socket is: as told, as configured, or the usual place. */

import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';

export const DEFAULT_CONFIG = '/etc/vipd/vipd.yaml';
export const DEFAULT_SOCKET = '/run/vipd/control.sock';

export type SocketPath = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly text: string };

/** `socket` and `config` as given on the command line. A configuration that nobody named may be missing or unreadable. */
export const findSocket = (socket: string | undefined, config: string | undefined): SocketPath => {
  if (socket !== undefined) return { ok: true, path: socket };
  const path = config ?? DEFAULT_CONFIG;
  const unknown = (reason: string): SocketPath =>
    // Another file's agent has another socket: the usual one may be that of another group.
    config === undefined
      ? { ok: true, path: DEFAULT_SOCKET }
      : { ok: false, text: `cannot read the configuration ${path}: ${reason}; name the socket with --socket instead` };
  try {
    // The rest of the file is the agent's to check, and may be wrong just when vipctl is needed: a reload of a broken file is
    // refused by the agent, which then says so in its status.
    const document = parseDocument(readFileSync(path, 'utf8'), { uniqueKeys: false, logLevel: 'silent' });
    const socket: unknown = document.getIn(['control', 'socket']);
    if (typeof socket === 'string') return { ok: true, path: socket };
    const [broken] = document.errors;
    if (broken === undefined || path === DEFAULT_CONFIG) return { ok: true, path: DEFAULT_SOCKET };
    return unknown(firstLine(broken.message));
  } catch (error) {
    return unknown(error instanceof Error ? firstLine(error.message) : String(error));
  }
};

const firstLine = (text: string): string => text.split('\n')[0] ?? '';
