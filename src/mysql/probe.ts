/** Watches the server: a light poll for state and position, and on the active a small write, each under a deadline. */

import type { DatabaseReport } from '../core/types.js';
import { findNoRoom } from './binlog-room.js';
import { asDatabaseError, type DatabaseError, stateOf } from './errors.js';
import type { ServerStatus } from './flavour.js';
import { grantStatements, missingGrants } from './grants.js';
import { createLagMeter, type LagMeter } from './lag.js';
import { createLagWatch, type LagSources } from './lag-sources.js';
import type { Links } from './links.js';
import { makeProbeTable, writeProbe } from './open.js';
import { createStatusReader } from './status-reader.js';

export interface ProbeSettings {
  readonly user: string;
  /** Between two checks: privileges, and the write on the active. */
  readonly intervalMs: number;
  /** What takes longer is hanging. */
  readonly timeoutMs: number;
  readonly writeProbe: boolean;
}

export interface ProbeOptions {
  readonly links: Links;
  /** Asked at each turn: they may change meanwhile. */
  readonly settings: () => ProbeSettings;
  /** Between two polls of state and position. */
  readonly pollMs: number;
  readonly nowMs: () => number;
  onReport(report: DatabaseReport): void;
}

export interface Probe {
  start(): void;
  stop(): void;
  /** Look now: something was heard that may mean the end of the server. */
  kick(): void;
  /** Log in anew before the next question, not in the middle of one: that would look like the end of the server. */
  renew(): void;
  /** A step has ended: nothing that was read before it says how the server is now. */
  expire(): void;
  setServing(serving: boolean): void;
  readonly lastReport: DatabaseReport | undefined;
  /** Where lag comes from; undefined: nothing was read yet. */
  readonly lagSources: () => Promise<LagSources | undefined>;
}

/**
 * A probe write that does not return is left where it is, and no second one is sent: each would hold a server thread. Past
 * this it is given up.
 */
const STUCK_WRITE_MS = 600_000;
/** Connections that steps run on. */
const STEP_LINKS = ['command', 'aside'] as const;

/** A first attempt, and the one immediate reconnect that proves an end of file. */
const ATTEMPTS = 2;
/** Of its timeout, what each statement of a probe has at least. */
const LEAST_SHARE = 0.25;

type Failed = { readonly state: DatabaseReport['state']; readonly detail: string };

export const createProbe = (options: ProbeOptions): Probe => {
  const { links, settings, nowMs } = options;
  let running = false;
  let serving = false;
  let polling = false;
  let kicked = false;
  let stale = false;
  let timer: NodeJS.Timeout | undefined;
  let lastReport: DatabaseReport | undefined;
  let lastStatus: ServerStatus | undefined;
  let prepared = false;
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  let missing: Failed | undefined;
  const lag = createLagMeter();
  const sources = createLagWatch(links, settings);
  const statuses = createStatusReader();
  const write = createWriteCheck(options, () => emitFailedWrite());

  const emit = (report: DatabaseReport): void => {
    lastReport = report;
    if (running) options.onReport(report);
  };

  /** The write's own verdict at its own pace, so that `fall` counts writes and not polls. */
  const emitFailedWrite = (): void => {
    if (write.failure === undefined || lastStatus === undefined || lastReport?.state === 'down') return;
    emit(reportOf(lastStatus, write.failure, lagOf(lastStatus, lag, nowMs())));
  };

  const poll = async (): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const status = await readOnce();
        lastStatus = status;
        const behindMs = lagOf(status, lag, nowMs());
        // Between two failed writes a poll that went well says nothing new.
        if (write.failure === undefined || missing !== undefined)
          emit(reportOf(status, missing ?? verdictOn(status), behindMs));
        return;
      } catch (error) {
        const failure = asDatabaseError(error, 'database probe');
        links.drop('monitor');
        if (failure.kind === 'lost' && attempt < ATTEMPTS && running) continue;
        lastStatus = undefined;
        emit({ state: stateOf(failure.kind), detail: advise(failure) });
        return;
      }
    }
  };

  const readOnce = async (): Promise<ServerStatus> => {
    const endsAtMs = nowMs() + settings().timeoutMs;
    // A stall of ours eats the time as well: what is asked after it must have some, or a healthy server counts as hanging.
    const leftMs = () => Math.max(settings().timeoutMs * LEAST_SHARE, endsAtMs - nowMs());
    if (stale) links.drop('monitor');
    stale = false;
    const { session, flavour } = await links.get('monitor', leftMs());
    const ask = (sql: string) => session.query(sql, leftMs());
    const status = await statuses.read(flavour, ask, nowMs());
    if (nowMs() - checkedAtMs >= settings().intervalMs) {
      checkedAtMs = nowMs();
      sources.note(status, checkedAtMs);
      const absent = missingGrants(flavour.name, await ask('SHOW GRANTS'));
      const names = absent.map((grant) => `${grant.privilege} on ${grant.on} (${grant.why})`).join(', ');
      const remedy = `${grantStatements(flavour.name, `'${settings().user}'@…`).join('; ')}`;
      // A session keeps the global privileges that its account had at login (server manual, GRANT).
      if (missing !== undefined && absent.length === 0) for (const name of STEP_LINKS) links.drop(name);
      missing =
        absent.length === 0
          ? undefined
          : { state: 'denied', detail: `the user ${settings().user} lacks ${names}; run: ${remedy}` };
    }
    return status;
  };

  const warm = (): void => {
    // Opened ahead of any step; a failure shows in the poll, or in the step.
    for (const name of STEP_LINKS) links.get(name, settings().timeoutMs).catch(() => undefined);
  };

  /** Made on the standby as well, so that a promotion does not wait for DDL; where that fails, the promotion makes it. */
  const prepare = async (): Promise<void> => {
    prepared = true;
    try {
      const { session } = await links.get('writer', settings().timeoutMs);
      await makeProbeTable(session, STUCK_WRITE_MS);
    } catch {
      // Told by the first write that needs the table.
    } finally {
      if (!serving) links.drop('writer');
    }
  };

  const tick = async (): Promise<void> => {
    if (polling) {
      kicked = true;
      return;
    }
    polling = true;
    clearTimeout(timer);
    const startedAtMs = nowMs();
    do {
      kicked = false;
      await poll();
      // One death ends several connections; once it is found, the rest is no news.
    } while (kicked && running && lastReport?.state !== 'down');
    polling = false;
    if (!running) return;
    if (lastReport?.state === 'ok') {
      warm();
      if (!prepared && settings().writeProbe) void prepare();
    }
    // What a probe that is switched off found last must not stand for ever.
    if (write.failure !== undefined && !settings().writeProbe) write.clear();
    if (serving && settings().writeProbe && lastStatus !== undefined) write.tick();
    const everyMs = patience(lastReport) ? settings().intervalMs : options.pollMs;
    timer = setTimeout(() => void tick(), Math.max(0, everyMs - (nowMs() - startedAtMs)));
  };

  return {
    start: () => {
      running = true;
      void tick();
    },
    stop: () => {
      running = false;
      clearTimeout(timer);
      write.clear();
    },
    kick: () => {
      statuses.expire();
      if (running) void tick();
    },
    renew: () => {
      stale = true;
    },
    expire: statuses.expire,
    setServing: (now) => {
      serving = now;
      if (!now) write.clear();
    },
    get lastReport() {
      return lastReport;
    },
    lagSources: () => sources.read(nowMs()),
  };
};

const verdictOn = ({ refusesClients }: ServerStatus): Failed =>
  refusesClients === undefined ? { state: 'ok', detail: '' } : { state: 'failed', detail: refusesClients };

/** A refused login is not repeated ten times a second. */
const patience = (report: DatabaseReport | undefined): boolean =>
  (report?.state === 'denied' || report?.state === 'full') && report.position === undefined;

/** The server says whether there is a lag to speak of, and not how long it is: not while a thread of the channel rests. */
const lagOf = ({ channel, position }: ServerStatus, meter: LagMeter, now: number): number | undefined =>
  channel?.lagMs === undefined ? undefined : meter.read(channel.received, position, now);

const reportOf = (status: ServerStatus, verdict: Failed, lagMs: number | undefined): DatabaseReport => ({
  ...verdict,
  readOnly: status.readOnly,
  position: status.position,
  semiSync: status.semiSync,
  semiSyncReplicas: status.semiSyncReplicas,
  ...(status.channel === undefined ? {} : { replica: replicaOf(status.channel, lagMs) }),
});

const replicaOf = (
  channel: NonNullable<ServerStatus['channel']>,
  lagMs: number | undefined,
): NonNullable<DatabaseReport['replica']> => ({
  io: channel.io,
  sql: channel.sql,
  received: channel.received,
  filters: channel.filters,
  ...(lagMs === undefined ? {} : { lagMs }),
  ...(channel.error === undefined ? {} : { error: channel.error }),
});

/** What an operator can do about it, where that is not plain from the message. */
const advise = (failure: DatabaseError): string => {
  if (failure.kind === 'denied') return `${failure.message} (check user, password and privileges of the agent's login)`;
  if (failure.kind === 'full') return `${failure.message} (configure mysql.admin_port to keep a door open)`;
  return failure.message;
};

interface WriteCheck {
  /** Start one if none is under way and the interval has passed. */
  tick(): void;
  clear(): void;
  readonly failure: Failed | undefined;
}

const createWriteCheck = (options: ProbeOptions, onFailure: () => void): WriteCheck => {
  const { links, settings, nowMs } = options;
  let failure: Failed | undefined;
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let underway = false;
  let generation = 0;
  let late: NodeJS.Timeout | undefined;

  const fail = (found: Failed): void => {
    failure = found;
    onFailure();
  };

  const attempt = async (mine: number): Promise<void> => {
    underway = true;
    const overdue = () => {
      if (!underway || mine !== generation) return;
      fail({
        state: 'failed',
        detail: `a small write has not returned within ${settings().timeoutMs} ms: disk full or frozen?`,
      });
    };
    clearInterval(late);
    // As for every answer: one that lies in the socket after a stall of ours is read first.
    late = setInterval(() => setImmediate(overdue), settings().timeoutMs);
    try {
      const { session } = await links.get('writer', settings().timeoutMs);
      await writeProbe(session, STUCK_WRITE_MS);
      const full = await findNoRoom(session, settings().timeoutMs);
      if (mine !== generation) return;
      if (full === '') failure = undefined;
      else fail({ state: 'failed', detail: full });
    } catch (error) {
      const cause = asDatabaseError(error, 'probe write');
      // An end of file is the poll's to judge; there is nothing to say of the write.
      if (mine === generation && cause.kind !== 'lost' && cause.kind !== 'down') {
        fail({
          state: cause.kind === 'hanging' ? 'failed' : stateOf(cause.kind),
          detail: `probe write: ${cause.message}`,
        });
      }
    } finally {
      if (mine === generation) {
        underway = false;
        clearInterval(late);
      }
    }
  };

  return {
    tick: () => {
      if (underway || nowMs() - startedAtMs < settings().intervalMs) return;
      startedAtMs = nowMs();
      void attempt(generation);
    },
    clear: () => {
      generation += 1;
      underway = false;
      failure = undefined;
      clearInterval(late);
      links.drop('writer');
    },
    get failure() {
      return failure;
    },
  };
};
