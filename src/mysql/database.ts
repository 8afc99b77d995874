/** The database layer's face to the agent: reports of the server's state, and the steps the core asks for. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Step } from '../core/effect.js';
import type { Outcome } from '../core/event.js';
import type { DatabaseReport, Millis } from '../core/types.js';
import type { CpuMs } from './at-work.js';
import type { Credentials } from './credentials.js';
import { demote, preflight } from './demote.js';
import { asDatabaseError, type DatabaseError } from './errors.js';
import { createEventKeeper, type EventKeeper } from './event-keeper.js';
import { fence } from './fence.js';
import type { LagSources } from './lag-sources.js';
import { createLinks, type Link, type LinkName } from './links.js';
import { openForClients, switchSemiSync } from './open.js';
import { createProbe } from './probe.js';
import { catchUp, follow, giveUpChannel, openReverse, receiveNothing } from './replica.js';
import { createServerProcess, type ServerProcess } from './server-process.js';
import { DEFAULT_STALL_MS, failed, PROMPT_MS, type StepContext } from './step.js';

export type DatabaseStep = Extract<Step, { readonly name: `database-${string}` }>;

/** What may change while the database is watched. */
export interface DatabaseSettings {
  readonly credentials: Credentials;
  readonly check: { readonly intervalMs: number; readonly timeoutMs: number; readonly writeProbe: boolean };
  /** End a server on this host that hangs when it is to be fenced: it would commit its queued work when it wakes. */
  readonly killOnHang?: boolean;
  /** Applying without a move for this long has stalled; default 30 s. */
  readonly stallMs?: number;
}

export interface DatabaseOptions extends DatabaseSettings {
  readonly socket?: string;
  readonly host?: string;
  readonly port?: number;
  /** MySQL's admin_port or MariaDB's extra_port. */
  readonly adminPort?: number;
  /** Default 100 ms: state, position, replication. */
  readonly pollMs?: number;
  /** It is fenced from the other host, which cannot take its VIP off: its clients hear of whatever it lets go. */
  readonly vipMayBeOn?: true;
  /** Semi-sync is another hand's: a fence leaves it in force, unless commits that wait for a standby hold it up. */
  readonly leavesSemiSync?: boolean;
  readonly nowMs: () => number;
  readonly log: (
    level: 'debug' | 'info' | 'warn' | 'error',
    fields: Readonly<Record<string, unknown>>,
    text: string,
  ) => void;
}

export interface Database {
  start(): void;
  /** Ends the watch and closes the connections; changes nothing on the server. */
  stop(): Promise<void>;
  onReport(listener: (report: DatabaseReport) => void): void;
  /** While active the write probe runs. Say false before a demotion or fence, or it finds the server read-only. */
  setServing(active: boolean): void;
  /**
   * One step, never rejected. Works without `start` too, so that a server of another host can be fenced. A step given up
   * by the signal takes its waiting statement back and undoes nothing.
   */
  run(step: DatabaseStep, options: StepOptions): Promise<Outcome>;
  /**
   * Work that is no step of the core's, on the steps' connection and in their queue, once nothing is left behind of a
   * channel that is being stopped. Rejects with what `work` rejects with, or a DatabaseError.
   */
  use<T>(work: (link: Link) => Promise<T>): Promise<T>;
  /** The watch has logged in (again): what the server says of itself may be new. */
  onConnected(listener: (link: Link) => void): void;
  lastReport(): DatabaseReport | undefined;
  /** Where lag comes from, and how long it would take to apply what is received; undefined: nothing was read yet. */
  lagSources(): Promise<LagSources | undefined>;
  /** A word that changes with every event and heartbeat that the channel's receiver gets. @throws DatabaseError */
  arrivals(withinMs: Millis): Promise<string>;
  /** What is wrong with the events of an active: `problem` for people, empty for nothing, until it is acknowledged. */
  readonly events: Pick<EventKeeper, 'problem' | 'acknowledge'>;
  /** Other settings from now on. With another login every connection is opened anew, once no step is under way on it. */
  reconfigure(settings: DatabaseSettings): void;
  /** What is known of the server's process on this host. */
  serverState(): ReturnType<ServerProcess['state']>;
  /** Of the server's threads, where its process runs on this host. */
  readonly cpuMs: CpuMs;
  /** Family and version as the server told them last; empty: not known yet. */
  version(): string;
}

export interface StepOptions {
  readonly signal: AbortSignal;
  /** As far as the caller knows the channel's source does not answer. */
  readonly sourceSilent?: boolean;
  progress(text: string): void;
}

const DEFAULT_POLL_MS = 100;
/** A server that ended in the middle of a fence is looked for again; while it is being torn down it resets connections. */
const FENCE_ATTEMPTS = 6;
/** Once at once, then after so long, after twice as long and so on. */
const FENCE_PAUSE_MS = 10;
/** Nobody listens any more: for so long its process may go on ending. */
const ENDING_MS = 2_000;
/** One that shuts down and uses no processor time for so long does not end by itself. */
const STANDS_STILL_MS = 5_000;
const LOOK_AGAIN_MS = 5;
/** They start or stop the replication threads. A catch-up looks itself for what is still being stopped. */
const CHANNEL_STEPS: ReadonlySet<DatabaseStep['name']> = new Set([
  'database-stop-receiver',
  'database-follow',
  'database-open-reverse',
]);
/** Detail of a fence's outcome where the server is not there: nothing can be written through it. */
export const DOWN = 'down';

/** Where a service manager listens for the server (systemd.socket(5)), its death looks like a hang. */
const withListener = (report: DatabaseReport, ended: number | null): DatabaseReport =>
  ended === null
    ? report
    : {
        ...report,
        detail: `${report.detail}; its process ${ended} has ended, so something else listens for it: systemctl disable --now mariadb.socket, and restart the server`,
      };

export const createDatabase = (options: DatabaseOptions): Database => {
  const listeners: ((report: DatabaseReport) => void)[] = [];
  const connectedListeners: ((link: Link) => void)[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let leftBehind: Promise<unknown> = Promise.resolve();
  let ending: { readonly usedMs: number | null; readonly sinceMs: number } | null = null;
  let receiverStopping: Promise<unknown> | null = null;
  let state = '';
  /** Under way or queued. */
  let fences = 0;

  let settings: DatabaseSettings = options;

  const serverProcess = createServerProcess();
  let version = '';

  const links = createLinks({
    target: options,
    credentials: options.credentials,
    onOpened: (name, link) => {
      const { session, flavour } = link;
      version = `${flavour.name === 'mariadb' ? 'MariaDB' : 'MySQL'} ${flavour.version}`;
      if (name !== 'monitor') return;
      void serverProcess.learn(session, PROMPT_MS);
      for (const listener of connectedListeners) listener(link);
    },
    onLost: (name: LinkName) => {
      options.log('debug', { link: name }, 'database connection ended');
      probe.kick();
    },
  });
  const probe = createProbe({
    links,
    settings: () => ({ ...settings.check, user: settings.credentials.user }),
    pollMs: options.pollMs ?? DEFAULT_POLL_MS,
    nowMs: options.nowMs,
    onReport: (seen) => {
      const report = seen.state === 'hanging' ? withListener(seen, serverProcess.ended()) : seen;
      if (report.state !== state) {
        const level = report.state === 'ok' ? 'info' : 'warn';
        options.log(level, { state: report.state, was: state, detail: report.detail }, `database is ${report.state}`);
        state = report.state;
        // The write probe may have been first to find it, and the fence waits for a server that will not answer.
        if (fences > 0) endHangingServer();
      }
      for (const listener of listeners) listener(report);
    },
  });

  const use = <T>(work: (link: Link) => Promise<T>): Promise<T> => {
    const result = last.then(async () => {
      await leftBehind;
      return await work(await links.get('command', PROMPT_MS));
    });
    void result.then(probe.expire, probe.expire);
    last = result.catch(() => undefined);
    return result;
  };

  const keeper = createEventKeeper({
    links,
    settings: () => settings.check,
    isUp: () => probe.lastReport?.state === 'ok',
    inTurn: use,
    warn: (text) => options.log('warn', {}, text),
  });

  const attempt = async (step: DatabaseStep, stepOptions: StepOptions): Promise<Outcome> => {
    // A channel that is still being stopped would be stopped again after it was started.
    if (CHANNEL_STEPS.has(step.name)) await leftBehind;
    // One after the other: the first may have waited for the server to come up, the second then finds it quickly.
    const command = await links.get('command', PROMPT_MS);
    const aside = await links.get('aside', PROMPT_MS);
    const leaveBehind: StepContext['leaveBehind'] = (work, what) => {
      work.then(
        () => options.log('debug', { step: step.name }, `${what}: done`),
        (error: unknown) => options.log('warn', { step: step.name }, asDatabaseError(error, what).message),
      );
      leftBehind = work.catch(() => undefined).then(probe.expire);
      links.release('command', work);
      // The next step may be a promotion's, with clients waiting for it: it is to find a login made.
      links.get('command', PROMPT_MS).catch(() => undefined);
    };
    const context: StepContext = {
      flavour: command.flavour,
      command: command.session,
      aside: aside.session,
      login: { target: options, credentials: settings.credentials },
      vipMayBeOn: options.vipMayBeOn === true,
      leavesSemiSync: options.leavesSemiSync === true,
      sourceSilent: stepOptions.sourceSilent === true,
      nowMs: options.nowMs,
      cpuMs: serverProcess.cpuMs,
      signal: stepOptions.signal,
      progress: stepOptions.progress,
      receiverStopping,
      leaveBehind,
      leaveStopping: (work, what) => {
        const ended = work
          .catch(() => undefined)
          .then(() => {
            if (receiverStopping === ended) receiverStopping = null;
          });
        receiverStopping = ended;
        leaveBehind(work, what);
      },
    };
    if (step.name === 'database-demote') await keeper.conclude(context);
    return await carryOut(step, settings.stallMs ?? DEFAULT_STALL_MS, keeper, context);
  };

  /** At once: it may wake any moment. What it holds of acknowledged commits is in its files. */
  const endHangingServer = (): void => {
    if (settings.killOnHang !== true || probe.lastReport?.state !== 'hanging') return;
    const { detail } = serverProcess.kill();
    options.log('warn', {}, `the database hangs and is to be fenced (mysql.kill_on_hang): ${detail}`);
  };

  /**
   * An orderly shutdown closes the listeners first, and lets running statements commit after that. It is not cut short while
   * the server is at work on it: a newer version refuses the files of an older one that crashed.
   */
  const untilEnded = async (): Promise<Outcome> => {
    const endsAtMs = options.nowMs() + ENDING_MS;
    while (isAtWork()) {
      if (settings.killOnHang === true && standsStillMs() >= STANDS_STILL_MS) {
        options.log('warn', {}, `the database is shutting down and does not end: ${serverProcess.kill().detail}`);
        break;
      }
      if (options.nowMs() >= endsAtMs) return failed('the server listens no more, and its process still runs');
      await sleep(LOOK_AGAIN_MS);
    }
    ending = null;
    return { ok: true, detail: DOWN };
  };

  /** Since a look saw that it had used processor time; one fence after the other looks. */
  const standsStillMs = (): number => {
    const usedMs = serverProcess.usedMs();
    if (ending === null || ending.usedMs !== usedMs) ending = { usedMs, sinceMs: options.nowMs() };
    return options.nowMs() - ending.sinceMs;
  };

  const isAtWork = (): boolean => ['runs', 'killed'].includes(serverProcess.state());

  const runStep = async (step: DatabaseStep, stepOptions: StepOptions): Promise<Outcome> => {
    for (let i = 1; ; i += 1) {
      if (stepOptions.signal.aborted) return failed(`${step.name}: given up before it began`);
      try {
        return await attempt(step, stepOptions);
      } catch (error) {
        const failure = asDatabaseError(error, step.name);
        if (step.name === 'database-fence') {
          if (failure.kind === 'lost' && i < FENCE_ATTEMPTS) {
            await sleep((i - 1) * FENCE_PAUSE_MS);
            continue;
          }
          if (failure.kind === 'down') return await untilEnded();
        }
        return failed(explain(step, failure));
      }
    }
  };

  return {
    start: () => {
      probe.start();
      keeper.start();
    },
    stop: async () => {
      keeper.stop();
      probe.stop();
      links.close();
      await last;
    },
    onReport: (listener) => {
      listeners.push(listener);
    },
    setServing: (active) => {
      probe.setServing(active);
      keeper.setServing(active);
    },
    run: (step, stepOptions) => {
      const isFence = step.name === 'database-fence';
      if (isFence) {
        keeper.giveUp();
        fences += 1;
        // A step before it may wait for the very server that hangs.
        endHangingServer();
      }
      // A step that was given up may still be taking its statement back.
      const outcome = last
        .then(() => runStep(step, stepOptions))
        .finally(() => {
          if (isFence) fences -= 1;
          probe.expire();
        });
      // Whatever went wrong in one step, the next one is carried out.
      last = outcome.catch(() => undefined);
      return outcome;
    },
    use,
    onConnected: (listener) => {
      connectedListeners.push(listener);
    },
    reconfigure: (next) => {
      const sameLogin = isDeepStrictEqual(next.credentials, settings.credentials);
      settings = next;
      if (sameLogin) return;
      links.setCredentials(next.credentials);
      probe.renew();
      for (const name of ['writer', 'load', 'events'] as const) links.drop(name);
      last = last.then(() => {
        for (const name of ['command', 'aside'] as const) links.drop(name);
      });
    },
    lastReport: () => probe.lastReport,
    lagSources: probe.lagSources,
    arrivals: async (withinMs) => {
      const { session, flavour } = await links.get('load', withinMs);
      return flavour.readArrivals((sql) => session.query(sql, withinMs));
    },
    events: keeper,
    serverState: serverProcess.state,
    cpuMs: serverProcess.cpuMs,
    version: () => version,
  };
};

const explain = (step: DatabaseStep, failure: DatabaseError): string =>
  `${step.name}: ${failure.message}${failure.kind === 'full' ? ' (configure mysql.admin_port)' : ''}`;

const carryOut = (step: DatabaseStep, stallMs: number, keeper: EventKeeper, context: StepContext): Promise<Outcome> => {
  switch (step.name) {
    case 'database-fence':
      return fence(context);
    case 'database-demote':
      return demote(context, step.force, step.timeoutMs);
    case 'database-preflight':
      return preflight(context);
    case 'database-catch-up':
      return catchUp(context, step, stallMs);
    case 'database-stop-receiver':
      return receiveNothing(context);
    case 'database-stop-channel':
      return giveUpChannel(context);
    case 'database-open':
      return openForClients(context);
    case 'database-follow':
      return follow(context, step.activePosition, stallMs);
    case 'database-open-reverse':
      return openReverse(context);
    case 'database-semi-sync':
      return switchSemiSync(context, step.on);
    case 'database-events-on':
      return keeper.place(context);
    default:
      return step satisfies never;
  }
};
