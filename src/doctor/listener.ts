/** Checks who listens for the database on this host: a server by itself, or a service manager in its place. */

import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import type { VipdConfig } from '../config/types.js';
import { type Finding, fault, messageOf, ok, skipped } from './finding.js';

/** proc_net_unix(5): the socket waits for connections (__SO_ACCEPTCON). */
const LISTENS = 0x10000;
/** proc_net_tcp(5): TCP_LISTEN. */
const TCP_LISTENS = '0A';

/** Inodes of the listening sockets that the server's clients come to, out of /proc/net/unix, tcp and tcp6. Pure. */
export const listeningInodes = (
  tables: { readonly unix: string; readonly tcp: string },
  { local, port }: Pick<VipdConfig['mysql'], 'local' | 'port'>,
): ReadonlySet<string> => {
  const path = local.kind === 'socket' ? local.path : null;
  const ports = new Set([port, ...(local.kind === 'socket' ? [] : [local.port])]);
  const unix = tables.unix.split('\n').flatMap((line) => {
    const [, , , flags = '', , , inode = '', ...name] = line.trim().split(/ +/);
    return path !== null && name.join(' ') === path && (Number.parseInt(flags, 16) & LISTENS) !== 0 ? [inode] : [];
  });
  const tcp = tables.tcp.split('\n').flatMap((line) => {
    const [, address = '', , state, , , , , , inode = ''] = line.trim().split(/ +/);
    const listens = state === TCP_LISTENS && ports.has(Number.parseInt(address.split(':')[1] ?? '', 16));
    return listens ? [inode] : [];
  });
  return new Set([...unix, ...tcp]);
};

/**
 * systemd that listens for a server (systemd.socket(5)) goes on listening when that has died: connecting does not fail, but
 * waits, and a server that is gone is taken for one that hangs.
 */
export const checkListener = ({ mysql }: VipdConfig): readonly Finding[] => {
  const tried = 'looked whether process 1 listens for the database, in the place of the server';
  try {
    const read = (name: string): string => readFileSync(`/proc/self/net/${name}`, 'utf8');
    const local = mysql.local.kind === 'socket' ? { ...mysql.local, path: bound(mysql.local.path) } : mysql.local;
    const tables = { unix: read('unix'), tcp: `${read('tcp')}\n${readIfThere('tcp6')}` };
    const inodes = listeningInodes(tables, { local, port: mysql.port });
    const held = socketsOf(1).filter((inode) => inodes.has(inode));
    if (held.length === 0) return [ok('socket-activation', tried, 'it does not')];
    return [
      fault(
        'socket-activation',
        tried,
        'it does (systemd, by a socket unit): while the server is dead, connections wait instead of failing, so that its death looks like a hang',
        'systemctl disable --now mariadb.socket (or what "systemctl list-sockets" names), then restart the server',
      ),
    ];
  } catch (cause) {
    return [skipped('socket-activation', tried, messageOf(cause))];
  }
};

/** The kernel tells the path that was bound: /run, where the configuration says /var/run. */
const bound = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
};

/** Hosts without IPv6 have no such table. */
const readIfThere = (name: string): string => {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'utf8');
  } catch {
    return '';
  }
};

/** Inodes of the sockets that a process has open; only root may look. */
const socketsOf = (pid: number): readonly string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`)) ?? [];
    return inode === undefined ? [] : [inode];
  });

/** A descriptor may be closed between the listing and the look. */
const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};
