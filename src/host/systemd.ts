/** Tells the service manager how the agent is doing: ready, stopping, and still turning. */

import { AF_UNIX, closeFd, openSocket, SOCK_DGRAM, SystemCallError, sendTo } from './libc.js';
import { unixAddress } from './unix-address.js';

/** systemd.service(5) asks for a pet at half of WatchdogSec; twice as often leaves room for one that is late. */
const PETS_PER_WATCHDOG_INTERVAL = 4;
/** Messages that wait for a manager that reads none (a frozen PID 1), and how often they are tried again. Past it the newest is dropped. */
const MAX_UNSENT = 32;
const RETRY_MS = 250;
/** STATUS= is one line for `systemctl status`. */
const MAX_STATUS_CHARS = 200;

export interface ServiceManager {
  /** The start is over (READY=1). */
  ready(status: string): void;
  /** One line that `systemctl status` shows. For changes of role, not for each turn of the loop. */
  status(text: string): void;
  /** A reload begins; {@link ready} ends it. */
  reloading(): void;
  stopping(status: string): void;
  /**
   * The loop has come round (WATCHDOG=1). To be called by the completed loop itself and never from a timer of its own:
   * a loop that hangs beside a ticking timer would look alive. Sends only as often as the watchdog needs it, and what the
   * manager had no room for before.
   */
  pet(): void;
  /** WatchdogSec of the unit; null where there is no watchdog for this process. */
  watchdogIntervalMs(): number | null;
}

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly nowMs: () => number;
}

/** Tells the manager at once, or answers false: it has no room just now. */
type Send = (state: string) => boolean;

/** Nothing here ever waits. Without a service manager (no NOTIFY_SOCKET) every call does nothing. */
export const createServiceManager = ({ env, pid, nowMs }: ServiceManagerOptions): ServiceManager => {
  const send = senderTo(env.NOTIFY_SOCKET ?? '');
  const intervalMs = watchdogIntervalMs(env, pid);
  const unsent: string[] = [];
  let nextPetMs = Number.NEGATIVE_INFINITY;
  let retryMs = Number.NEGATIVE_INFINITY;

  const sendUnsent = (): void => {
    for (let state = unsent[0]; state !== undefined && send(state); state = unsent[0]) unsent.shift();
    retryMs = nowMs() + RETRY_MS;
  };
  // In their order: a READY=1 that came after the RELOADING=1 it ends must not overtake it.
  const notify = (state: string): void => {
    if (unsent.length < MAX_UNSENT) unsent.push(state);
    sendUnsent();
  };
  return {
    ready: (status) => notify(`READY=1\nSTATUS=${oneLine(status)}`),
    status: (text) => notify(`STATUS=${oneLine(text)}`),
    reloading: () => notify('RELOADING=1'),
    stopping: (status) => notify(`STOPPING=1\nSTATUS=${oneLine(status)}`),
    pet() {
      if (unsent.length > 0 && nowMs() >= retryMs) sendUnsent();
      if (intervalMs === null || nowMs() < nextPetMs) return;
      nextPetMs = nowMs() + intervalMs / PETS_PER_WATCHDOG_INTERVAL;
      send('WATCHDOG=1');
    },
    watchdogIntervalMs: () => intervalMs,
  };
};

/** A line break would begin another assignment (sd_notify(3)). */
const oneLine = (text: string): string => text.replaceAll(/[\0\r\n]+/g, ' ').slice(0, MAX_STATUS_CHARS);

/**
 * The protocol of sd_notify(3), not its function: that waits where the manager has left some hundred messages unread
 * (unix(7), max_dgram_qlen), and the loop would wait with it. Nothing here depends on whether the manager heard.
 */
const senderTo = (path: string): Send => {
  if (!/^[/@]./.test(path)) return () => true;
  const to = unixAddress(path);
  return (state) => {
    try {
      const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0, 'telling the service manager');
      try {
        sendTo(fd, Buffer.from(state), to, 'telling the service manager');
      } finally {
        closeFd(fd);
      }
      return true;
    } catch (error) {
      return !(error instanceof SystemCallError && error.code === 'EAGAIN');
    }
  };
};

/** As sd_watchdog_enabled(3) reads it: WATCHDOG_PID, where set, must be ours. */
const watchdogIntervalMs = (env: ServiceManagerOptions['env'], pid: number): number | null => {
  const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: wanted } = env;
  if (!/^[1-9]\d*$/.test(usec)) return null;
  if (wanted !== undefined && wanted !== String(pid)) return null;
  return Number(usec) / 1000;
};
