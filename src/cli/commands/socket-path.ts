/** Where the agent's control socket is: as told, as configured, or the usual place. */

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

export const DEFAULT_CONFIG = '/etc/vipd/vipd.yaml';
const DEFAULT_SOCKET = '/run/vipd/control.sock';

export type SocketPath = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly text: string };

/** The only key that matters here; the rest of the file is the agent's to check, and may be wrong just when vipctl is needed. */
const socketOnly = z.object({ control: z.object({ socket: z.string() }) });

/** `socket` and `config` as given on the command line. A configuration that nobody named may be missing or unreadable. */
export const findSocket = (socket: string | undefined, config: string | undefined): SocketPath => {
  if (socket !== undefined) return { ok: true, path: socket };
  try {
    const parsed = socketOnly.safeParse(parse(readFileSync(config ?? DEFAULT_CONFIG, 'utf8')));
    return { ok: true, path: parsed.success ? parsed.data.control.socket : DEFAULT_SOCKET };
  } catch (error) {
    if (config === undefined) return { ok: true, path: DEFAULT_SOCKET };
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return {
      ok: false,
      text: `cannot read the configuration ${config}: ${reason}; name the socket with --socket instead`,
    };
  }
};
