/** The agent of one node: joins the core to the network, the database, the disk and the operator. */

import { join } from 'node:path';
import { createAddressHolder } from './agent/address.js';
import { createChangeLog } from './agent/changes.js';
import { createChecks } from './agent/checks.js';
import { createControl } from './agent/control.js';
import { createDivergenceKeeper } from './agent/divergence-keeper.js';
import { createEvidence } from './agent/evidence.js';
import { collectFacts, DOCTOR } from './agent/facts.js';
import { createHeartbeats } from './agent/heartbeats.js';
import { createHookFailures } from './agent/hook-failures.js';
import { createHttp } from './agent/http.js';
import { keepConfig } from './agent/kept-config.js';
import { leave } from './agent/leave.js';
import { createLongPositions, POSITION } from './agent/long-positions.js';
import { createLookAhead } from './agent/look-ahead.js';
import { createLoop } from './agent/loop.js';
import { createPeerChannel } from './agent/peer-channel.js';
import { createPeerDatabase } from './agent/peer-database.js';
import { createReloader } from './agent/reload.js';
import { createServing } from './agent/serving.js';
import { databaseStallMs, salvageStallMs } from './agent/stall.js';
import { createStandbyAddress } from './agent/standby-address.js';
import { composeStatus, type StatusFacts } from './agent/status.js';
import { createSteps } from './agent/steps.js';
import { coreConfigOf, filesChanged, type InForce, loadFrom, type RunningParts, takeOver } from './agent/take-over.js';
import { createAlarmLimit } from './agent/tellings.js';
import type { LoadResult } from './config/load.js';
import type { VipdConfig } from './config/types.js';
import { type Moment, wallText } from './control/moment.js';
import type { ReloadStatus, Status } from './control/status.js';
import type { JournalEntry } from './core/effect.js';
import type { Event, Outcome } from './core/event.js';
import { mayStillHold, mustShutPeer } from './core/peer-fence.js';
import { standbyVipUntil } from './core/standby-vip.js';
import { startNode } from './core/start.js';
import type { NodeState } from './core/state.js';
import type { HookPhase, Instant } from './core/types.js';
import { boottimeMs } from './host/clock.js';
import { createDiskReader } from './host/disk-reader.js';
import { createFenceCommand } from './host/fence-command.js';
import { createHookQueue, type HookFacts } from './host/hooks.js';
import { createJournal } from './host/journal.js';
import type { Logger, LogLevel } from './host/log.js';
import { createRecordStore } from './host/store.js';
import type { ServiceManager } from './host/systemd.js';
import { BACKUP } from './mysql/backup-messages.js';
import { createBackupShip } from './mysql/backup-ship.js';
import { loadCredentials } from './mysql/credentials.js';
import { createDatabase } from './mysql/database.js';
import { KEPT_DIRECTORY } from './mysql/kept-binlog.js';
import { createSalvage, SALVAGE } from './mysql/salvage.js';
import { localTarget } from './mysql/target.js';
import { type AgentChannel, createAgentChannel } from './net/agent-channel.js';

/** Where the configuration came from, for reading it again. */
export interface ConfigFile {
  readonly path: string;
  readonly load: () => LoadResult<VipdConfig>;
  readonly digest: () => string;
}

/** Warnings are what an operator may have to act on. */
const LOG_LEVEL_OF = {
  alarm: 'warn',
  hold: 'warn',
  transition: 'info',
  refusal: 'info',
  notice: 'info',
  step: 'debug',
} as const satisfies Record<JournalEntry['kind'], LogLevel>;

export interface AgentOptions {
  readonly config: VipdConfig;
  readonly configFile: ConfigFile;
  readonly version: string;
  /** Phases for which there is something to run. */
  readonly hookPhases: readonly HookPhase[];
  readonly log: Logger;
  readonly service: ServiceManager;
  /** The agent has left: `failed` where it contradicted itself and must be started anew. */
  readonly onExit: (failed: boolean) => void;
}

export interface Agent {
  /** Rejects where the agent cannot run at all: a busy port, an unreadable credentials file. */
  readonly start: () => Promise<void>;
  /** Hands off where it can, fences, then exits; a second call leaves at once. */
  readonly stop: () => void;
  /** Takes over a changed configuration, or refuses it and says why in log, journal and status. */
  readonly reload: () => Promise<ReloadStatus>;
}

export const createAgent = (options: AgentOptions): Agent => {
  const { config, log, service } = options;
  const self = config.self.name;
  const peer = config.peer.name;
  const core = coreConfigOf(config, options.hookPhases);
  // `config` is what this agent started with; what a reload may change is read from here. The login is read by start().
  let inForce: InForce = { config, credentials: { user: '', password: '' }, hookPhases: options.hookPhases };
  let loadedAt = boottimeMs();
  let version = options.configFile.digest();
  const momentOf = (at: Instant): Moment => {
    const now = new Date();
    return { bootMs: at, wall: wallText(now.getTime() - (boottimeMs() - at), -now.getTimezoneOffset()) };
  };

  const store = createRecordStore({ directory: config.stateDirectory, group: config.group, voter: self });
  const journal = createJournal({
    directory: `${config.stateDirectory}/${config.group}`,
    nowMs: boottimeMs,
    wallClock: () => new Date(),
    onProblem: (why) =>
      why === null ? log.info('the journal is written again') : log.error(`the journal cannot be written: ${why}`),
  });
  const changes = createChangeLog(self, peer);
  // The configuration, its login and the hooks are on one disk.
  const disk = createDiskReader();
  const hooks = createHookQueue({
    settings: () => inForce.config.hooks,
    nowMs: boottimeMs,
    disk,
  });
  const hookFacts = (): Pick<HookFacts, 'group' | 'node' | 'peer' | 'vips'> => ({
    group: config.group,
    node: self,
    peer,
    vips: inForce.config.vips.map((vip) => `${vip.address}/${vip.prefixLength}`),
  });
  const checks = createChecks(boottimeMs, ({ name, ok, detail }) => emit({ type: 'check', name, ok, detail }));
  const hookFailures = createHookFailures();

  const emit = (event: Event): void => loop.dispatch(event);

  const positions = createLongPositions({
    ask: (purpose, request, askOptions) =>
      channel?.ask(purpose, request, askOptions) ?? Promise.reject(new Error('the agent is starting')),
    now: boottimeMs,
    warn: (text) => log.warn(text),
  });

  const heartbeats = createHeartbeats({
    config,
    now: boottimeMs,
    emit: (event) => {
      if (event.type === 'message' && event.from === peer) lookAhead.heard();
      emit(event);
    },
    positions,
    log,
  });

  const address = createAddressHolder({
    group: config.group,
    vips: config.vips,
    siblings: () => config.standbyVip?.vips ?? [],
    guard: config.guard,
    leaseMs: core.leaseMs,
    peerAddresses: [config.peer.address],
    now: boottimeMs,
    emit,
    log: (level, text) => log[level](text),
  });

  const standbyAddress = createStandbyAddress(config, {
    siblings: () => inForce.config.vips,
    leaseMs: core.leaseMs,
    now: boottimeMs,
    emit,
    log: (level, text) => log[level](text),
  });

  const vipOff = (): Promise<Outcome> => {
    const off = address.off();
    http?.servesUntil(0);
    return off;
  };

  const standbyVipOff = async (): Promise<Outcome> =>
    standbyAddress === null ? { ok: true, detail: 'none is configured' } : standbyAddress.off();

  const limitAlarms = createAlarmLimit(boottimeMs);
  const tell = (said: JournalEntry): void => {
    changes.note(said, momentOf(boottimeMs()));
    const entry = limitAlarms(said);
    if (entry === null) return;
    journal.append(entry);
    const { term, cause, kind } = entry;
    log[LOG_LEVEL_OF[kind]](
      { term, role: entry.to ?? loop.state()?.role ?? 'starting', cause, kind },
      entry.from === undefined ? entry.text : `${entry.from} -> ${entry.to}: ${entry.text}`,
    );
  };

  let database: ReturnType<typeof createDatabase> | null = null;
  let steps: ReturnType<typeof createSteps> | null = null;
  let channel: AgentChannel | null = null;
  let stopSalvage = (): void => undefined;
  let askSalvage = (): void => undefined;
  let applyConfig = (_next: VipdConfig): Promise<InForce> => Promise.reject(new Error('the agent is starting'));

  const serving = createServing({
    now: boottimeMs,
    service,
    probeWrites: (serves) => database?.setServing(serves),
    rejectNew: (rejects) => address.rejectNew(rejects),
    servesUntil: (until) => http?.servesUntil(until),
  });

  const peerDatabase = createPeerDatabase(() => inForce, boottimeMs);
  const peerChannel = createPeerChannel({
    arrivals: async (withinMs) => (await database?.arrivals(withinMs)) ?? '',
    isNeeded: () => inForce.config.witnesses.length === 0,
    now: boottimeMs,
  });
  const lookAhead = createLookAhead({
    leaseMs: core.leaseMs,
    state: () => loop.state(),
    probe: address.probe,
    peerDatabase,
    peerChannel,
    askSalvage: () => askSalvage(),
  });

  const divergenceKeeper = createDivergenceKeeper({
    order: () => ({
      target: localTarget(config),
      credentials: inForce.credentials,
      directory: join(config.stateDirectory, KEPT_DIRECTORY),
    }),
    now: boottimeMs,
    tell,
  });

  const loop = createLoop({
    now: boottimeMs,
    send: heartbeats.send,
    persist: (record) => store.save(record),
    run: (id, step) => steps?.run(id, step),
    cancel: (id) => steps?.cancel(id),
    vipOff,
    renewed: (leaseUntil) => address.renew(leaseUntil),
    standbyVipOff,
    standbyVipRenewed: (leaseUntil) => standbyAddress?.renew(leaseUntil) ?? true,
    journal: tell,
    reply: (id, done, ok, text) => control.reply(id, done, ok, text),
    settled: (state) => {
      serving.settled(state);
      divergenceKeeper.settled(state);
      lookAhead.settled(state);
    },
    exit: () => leaveAgent(false),
    broken: (error) => {
      const off = [vipOff(), standbyVipOff()];
      log.fatal({ err: error }, 'the agent contradicted itself; the VIP is taken off, and it leaves');
      void Promise.allSettled(off).finally(() => leaveAgent(true));
    },
  });

  const facts = async (state: NodeState): Promise<StatusFacts> => ({
    version: options.version,
    now: boottimeMs(),
    momentOf,
    addresses: Object.fromEntries(
      [config.self, config.peer, ...config.witnesses].map((host) => [host.name, host.address]),
    ),
    vips: inForce.config.vips.map(describeVip),
    vipsPresent: await address.present(),
    address: address.state(),
    standbyVip: standbyAddress && {
      vips: (config.standbyVip?.vips ?? []).map(describeVip),
      address: standbyAddress.state(),
      present: await standbyAddress.present(),
    },
    guard: config.guard,
    paths: heartbeats.paths(),
    pathsHeard: heartbeats.heard,
    counters: heartbeats.link.counters,
    frames: heartbeats.link.frames(),
    checkOutputs: checks.outputs,
    hookFailures: hookFailures.all(),
    journalProblem: journal.problem(),
    databaseVersion: database?.version() ?? '',
    lagSources: (await database?.lagSources()) ?? null,
    events: database?.events.problem ?? '',
    changes,
    config: { path: options.configFile.path, version, loaded: momentOf(loadedAt), reload: reloader.last() },
    noWriterSince: serving.noWriterSince(state),
    http: http?.state() ?? null,
  });
  const statusOf = async (state: NodeState): Promise<Status> => composeStatus(state, await facts(state));

  const tellReload = ({ ok, text, details }: ReloadStatus): void => {
    const term = loop.state()?.voter.record?.maxTerm ?? 0;
    // What is wrong belongs into the journal; warnings of a file that is in force do not.
    if (ok) for (const warning of details) log.warn(warning);
    tell({ kind: ok ? 'notice' : 'refusal', term, cause: 'reload', text: ok ? text : [text, ...details].join('; ') });
  };

  let validFile = true;
  const reloader = createReloader({
    load: async () => {
      const loaded = await loadFrom(disk, options.configFile);
      validFile = loaded.ok;
      return loaded;
    },
    inForce: () => inForce.config,
    state: loop.state,
    takeOver: async (next) => {
      const digest = options.configFile.digest();
      const before = inForce;
      inForce = await applyConfig(next);
      version = digest;
      loadedAt = boottimeMs();
      await keep();
      return filesChanged(before, inForce);
    },
    now: boottimeMs,
    momentOf,
    tell: tellReload,
  });

  /** Without it a cleanup goes by the file. */
  const keep = (): Promise<void> =>
    keepConfig(options.configFile.path, inForce.config).catch((cause: unknown) =>
      log.warn(`the configuration in force cannot be kept for "vipd cleanup": ${String(cause)}`),
    );

  const control = createControl({
    socket: config.control.socket,
    group: config.control.group,
    dispatch: emit,
    state: loop.state,
    status: statusOf,
    history: (limit) => journal.tail(limit),
    reload: async () => ({ ...(await reloader.reload()), validFile }),
    acknowledge: () => {
      hookFailures.acknowledge();
      database?.events.acknowledge();
    },
    now: boottimeMs,
    warn: (text) => log.warn(text),
  });

  const http = config.http
    ? createHttp({
        listen: config.http.listen,
        group: config.group,
        node: self,
        status: async () => {
          const state = loop.state();
          if (!state) throw new Error('the agent is starting');
          return statusOf(state);
        },
        log: (level, text) => log[level](text),
      })
    : null;

  const leaveAgent = (failed: boolean): void => {
    let hooksDone: Promise<void> | undefined;
    leave({
      vipsOff: () => [vipOff(), standbyVipOff()],
      stop: [
        loop.stop,
        () => service.stopping('leaving'),
        checks.stop,
        () => {
          if (failed) steps?.cancelAll();
          else hooksDone = steps?.finishHooks();
        },
        stopSalvage,
        lookAhead.stop,
        divergenceKeeper.stop,
        positions.stop,
        heartbeats.close,
      ],
      close: [
        () => hooksDone,
        () => channel?.close(),
        () => database?.stop(),
        control.close,
        journal.close,
        async () => http?.close(),
      ],
      gone: () => {
        address.close();
        standbyAddress?.close();
        options.onExit(failed);
      },
    });
  };

  let stops = 0;
  return {
    start: async () => {
      const credentials = await loadCredentials(config.mysql.defaultsFile);
      inForce = { ...inForce, credentials };
      await keep();
      const loaded = await store.load();
      if (loaded.kind === 'unreadable')
        log.error(
          `the record ${store.path} is ${loaded.cause}, so nothing is granted until the others told their terms: ${loaded.why}`,
        );
      await heartbeats.start();
      await control.open();
      http?.open();
      database = createDatabase({
        ...localTarget(config),
        credentials,
        check: config.mysql.check,
        killOnHang: config.mysql.killOnHang,
        stallMs: databaseStallMs(config),
        leavesSemiSync: config.mysql.semiSync !== 'manage',
        pollMs: Math.max(100, config.heartbeat.intervalMs),
        nowMs: boottimeMs,
        log: (level, fields, text) => log[level](fields, text),
      });
      database.onReport((report) => emit({ type: 'database', report }));
      channel = createAgentChannel({
        listen: { address: config.self.address, port: config.agents.port },
        group: config.group,
        self,
        peer,
        peerAddress: { address: config.peer.address, port: config.agents.port },
        keys: config.keys,
        handlers: {
          [SALVAGE]: (request, answer, signal) => salvage.handler(request, answer, signal),
          [BACKUP]: createBackupShip({
            database,
            target: localTarget(config),
            credentials: () => inForce.credentials,
            isActive: () => loop.state()?.role === 'active',
            log: (level, fields, text) => log[level](fields, text),
          }),
          [POSITION]: positions.handler,
          [DOCTOR]: async () => collectFacts(options.version, inForce.config, loop.state(), boottimeMs(), Date.now()),
        },
        nowMs: boottimeMs,
        log: (level, fields, text) => log[level](fields, text),
      });
      const salvage = createSalvage({
        database,
        channel,
        target: localTarget(config),
        credentials: () => inForce.credentials,
        stallMs: () => salvageStallMs(inForce.config),
        nowMs: boottimeMs,
        log: (level, fields, text) => log[level](fields, text),
      });
      await channel.start();
      if (config.promotion.salvage) salvage.start();
      stopSalvage = salvage.stop;
      askSalvage = salvage.askAhead;
      const parts: RunningParts = {
        link: heartbeats.link,
        channel,
        address,
        database,
        checks,
        target: localTarget(config),
        disk,
        state: loop.state,
        startSalvage: salvage.start,
        emit,
      };
      applyConfig = (next) => takeOver(parts, inForce, next);
      steps = createSteps({
        database,
        address,
        standbyAddress,
        standbyVipUntil: () => {
          const state = loop.state();
          return state ? standbyVipUntil(state) : 0;
        },
        hooks,
        hookFacts,
        fenceCommand:
          config.fence && createFenceCommand({ command: config.fence.command, facts: hookFacts, nowMs: boottimeMs }),
        salvage: salvage.salvage,
        gatherEvidence: createEvidence(() => inForce, peerDatabase.shut, peerChannel.cameAgo, boottimeMs),
        peerMayServe: () => {
          const state = loop.state();
          return state !== null && mustShutPeer(state, boottimeMs());
        },
        peerGaveUp: () => {
          const state = loop.state();
          return state?.promotion != null && !mayStillHold(state, state.promotion.servedBefore, boottimeMs());
        },
        shutPeerDatabase: peerDatabase.shut,
        leaseUntil: () => loop.state()?.owner?.leaseUntil ?? 0,
        emit,
        onHook: (facts, result) => hookFailures.note(facts, result, momentOf(boottimeMs())),
      });
      loop.begin(startNode(core, loaded.kind === 'found' ? loaded.record : null, boottimeMs()));
      await address.open();
      await standbyAddress?.open();
      database.start();
      checks.change(config.checks);
      service.ready('standby');
    },
    reload: reloader.reload,
    stop: () => {
      stops += 1;
      if (stops > 1) return leaveAgent(false);
      service.stopping('handing off');
      emit({ type: 'command', id: 0, command: { name: 'stop' } });
    },
  };
};

const describeVip = (vip: VipdConfig['vips'][number]): StatusFacts['vips'][number] => ({
  address: `${vip.address}/${vip.prefixLength}`,
  interface: vip.interface,
});
