/** Tells the service manager how the agent is doing: ready, stopping, and still turning. */

import koffi from 'koffi';

/** systemd.service(5) asks for a pet at half of WatchdogSec; twice as often leaves room for one that is late. */
const PETS_PER_WATCHDOG_INTERVAL = 4;
const LIBRARY = 'libsystemd.so.0';
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
   * a loop that hangs beside a ticking timer would look alive. Sends only as often as the watchdog needs it.
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

type Notify = (state: string) => void;

/** Without a service manager (no NOTIFY_SOCKET) or without its library every call does nothing. */
export const createServiceManager = ({ env, pid, nowMs }: ServiceManagerOptions): ServiceManager => {
  const notify = env.NOTIFY_SOCKET === undefined || env.NOTIFY_SOCKET === '' ? doNothing : loadNotify();
  const intervalMs = watchdogIntervalMs(env, pid);
  let nextPetMs = Number.NEGATIVE_INFINITY;
  return {
    ready: (status) => notify(`READY=1\nSTATUS=${oneLine(status)}`),
    status: (text) => notify(`STATUS=${oneLine(text)}`),
    reloading: () => notify('RELOADING=1'),
    stopping: (status) => notify(`STOPPING=1\nSTATUS=${oneLine(status)}`),
    pet() {
      if (intervalMs === null || nowMs() < nextPetMs) return;
      nextPetMs = nowMs() + intervalMs / PETS_PER_WATCHDOG_INTERVAL;
      notify('WATCHDOG=1');
    },
    watchdogIntervalMs: () => intervalMs,
  };
};

const doNothing: Notify = () => undefined;

/** A line break would begin another assignment (sd_notify(3)). */
const oneLine = (text: string): string => text.replaceAll(/[\0\r\n]+/g, ' ').slice(0, MAX_STATUS_CHARS);

/**
 * sd_notify(3). Its result is not looked at: nothing here depends on whether the manager heard. It waits where the manager
 * has left some hundred messages unread (unix(7), max_dgram_qlen), so nothing here may be sent at the loop's own rate.
 */
const loadNotify = (): Notify => {
  try {
    const sdNotify: (unset: number, state: string) => number = koffi
      .load(LIBRARY)
      .func('int sd_notify(int unset_environment, const char *state)');
    return (state) => {
      sdNotify(0, state);
    };
  } catch {
    return doNothing;
  }
};

/** As sd_watchdog_enabled(3) reads it: WATCHDOG_PID, where set, must be ours. */
const watchdogIntervalMs = (env: ServiceManagerOptions['env'], pid: number): number | null => {
  const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: wanted } = env;
  if (!/^[1-9]\d*$/.test(usec)) return null;
  if (wanted !== undefined && wanted !== String(pid)) return null;
  return Number(usec) / 1000;
};
