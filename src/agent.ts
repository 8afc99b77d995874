/** The agent of one node: joins the core to the network, the database, the disk and the operator. */

import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { createAddressHolder } from './agent/address.js';
import { createChangeLog } from './agent/changes.js';
import { createChecks } from './agent/checks.js';
import { createControl } from './agent/control.js';
import { createEvidence } from './agent/evidence.js';
import { collectFacts, DOCTOR } from './agent/facts.js';
import { createHttp } from './agent/http.js';
import { createLoop } from './agent/loop.js';
import { createShutPeerDatabase } from './agent/peer-database.js';
import { createReloader } from './agent/reload.js';
import { composeStatus, hasWriter, type StatusFacts } from './agent/status.js';
import { createSteps } from './agent/steps.js';
import { coreConfigOf, filesChanged, type InForce, takeOver } from './agent/take-over.js';
import type { LoadResult } from './config/load.js';
import type { VipdConfig } from './config/types.js';
import { type Moment, wallText } from './control/moment.js';
import type { HookFailure, ReloadStatus, Status } from './control/status.js';
import type { JournalEntry } from './core/effect.js';
import type { Event, Outcome } from './core/event.js';
import type { Message } from './core/message.js';
import { mayStillHold } from './core/peer-fence.js';
import type { NodeState } from './core/state.js';
import { startNode } from './core/step.js';
import { isPairAlone, peerHeard } from './core/turn.js';
import type { HookPhase, Instant } from './core/types.js';
import { boottimeMs } from './host/clock.js';
import { createFenceCommand } from './host/fence-command.js';
import { createHookQueue, type HookFacts, type HookResult } from './host/hooks.js';
import { createJournal } from './host/journal.js';
import type { Logger } from './host/log.js';
import { createRecordStore } from './host/store.js';
import type { ServiceManager } from './host/systemd.js';
import { loadCredentials } from './mysql/credentials.js';
import { createDatabase } from './mysql/database.js';
import { createSalvage, SALVAGE } from './mysql/salvage.js';
import { type AgentChannel, createAgentChannel } from './net/agent-channel.js';
import { createPaths, type PathOptions, type Remote } from './net/paths.js';
import { createLink } from './wire/link.js';
import { createFrameVoter } from './witness/voter.js';

/** Where the configuration came from, for reading it again. */
export interface ConfigFile {
  readonly path: string;
  readonly load: () => LoadResult<VipdConfig>;
  readonly digest: () => string;
}

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

/** Hooks whose newest failure is kept until an operator acknowledges it. */
const HOOK_FAILURES_LIMIT = 32;

export const createAgent = (options: AgentOptions): Agent => {
  const { config, log, service } = options;
  const self = config.self.name;
  const peer = config.peer.name;
  const core = coreConfigOf(config, options.hookPhases);
  // `config` is what this agent started with; what a reload may change is read from here. The login is read by start().
  let inForce: InForce = { config, credentials: { user: '', password: '' }, hookPhases: options.hookPhases };
  let loadedAt = boottimeMs();
  let version = options.configFile.digest();
  const startedAt = boottimeMs();
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
  const hooks = createHookQueue({
    settings: () => inForce.config.hooks,
    nowMs: boottimeMs,
  });
  const hookFacts = (): Pick<HookFacts, 'group' | 'node' | 'peer' | 'vips'> => ({
    group: config.group,
    node: self,
    peer,
    vips: inForce.config.vips.map((vip) => `${vip.address}/${vip.prefixLength}`),
  });
  const checks = createChecks(boottimeMs, ({ name, ok, detail }) => emit({ type: 'check', name, ok, detail }));
  const lastSent = new Map<string, Message>();
  let hookFailures: HookFailure[] = [];
  let noWriterSince: Instant | null = startedAt;
  let unsealed = 0;

  const emit = (event: Event): void => loop.dispatch(event);

  const link = createLink({
    group: config.group,
    self,
    peers: [peer, ...config.witnesses.map((witness) => witness.name)],
    keys: config.keys,
    randomBytes,
    nowMs: boottimeMs,
  });

  const pathsHeard = new Map<string, Instant>();

  const receive = (datagram: Buffer, remote: Remote): void => {
    const opened = link.open(datagram);
    // The copy that came by another path first does not make this one deaf.
    const genuine = opened.type === 'message' || (opened.type === 'dropped' && opened.cause === 'duplicate');
    if (genuine && opened.from === peer) pathsHeard.set(remote.path, boottimeMs());
    switch (opened.type) {
      case 'message':
        return emit({ type: 'message', from: opened.from, message: opened.message });
      case 'hello':
        // On every path: the one it came by may be deaf the other way.
        return paths.send(opened.to, opened.datagram);
      case 'greeted': {
        const last = lastSent.get(opened.from);
        return last ? transmit(opened.from, last) : undefined;
      }
      case 'dropped':
        if (opened.cause === 'bad-mac') log.debug({ cause: opened.cause, from: remote.address }, 'frame dropped');
        return;
    }
  };

  const paths = createPaths({
    port: config.heartbeat.port,
    paths: pathsOf(config),
    onDatagram: receive,
    onError: (error, path) => log.warn({ path }, error.message),
  });

  const transmit = (to: string, message: Message): void => {
    lastSent.set(to, message);
    const datagram = link.seal(to, message);
    if (datagram) return paths.send(to, datagram);
    unsealed += 1;
    log.error({ to, kind: message.kind, unsealed }, 'a message could not be put into a frame');
  };
  const voters = new Map([peer, ...core.witnesses].map((name) => [name, createFrameVoter(name, transmit)]));

  const address = createAddressHolder({
    group: config.group,
    vips: config.vips,
    guard: config.guard,
    leaseMs: core.leaseMs,
    peerAddresses: [config.peer.address],
    now: boottimeMs,
    emit,
    log: (level, text) => log[level](text),
  });

  const vipOff = (): Promise<Outcome> => {
    http?.servesUntil(0);
    return address.off();
  };

  const noteHook = (facts: HookFacts, result: HookResult): void => {
    const failed = result.ran.filter((ran) => ran.exit !== 0);
    const at = momentOf(boottimeMs());
    const failures = failed.map((ran) => ({ at, phase: facts.phase, name: basename(ran.file), detail: result.detail }));
    if (!result.ok && failures.length === 0)
      failures.push({ at, phase: facts.phase, name: facts.phase, detail: result.detail });
    const names = new Set(failures.map((failure) => `${failure.phase}/${failure.name}`));
    const others = hookFailures.filter((failure) => !names.has(`${failure.phase}/${failure.name}`));
    hookFailures = [...others, ...failures].slice(-HOOK_FAILURES_LIMIT);
  };

  const tell = (entry: JournalEntry): void => {
    journal.append(entry);
    changes.note(entry, momentOf(boottimeMs()));
    const level = entry.kind === 'alarm' ? 'warn' : entry.kind === 'step' ? 'debug' : 'info';
    log[level](
      { term: entry.term, cause: entry.cause, kind: entry.kind },
      entry.from === undefined ? entry.text : `${entry.from} -> ${entry.to}: ${entry.text}`,
    );
  };

  let database: ReturnType<typeof createDatabase> | null = null;
  let steps: ReturnType<typeof createSteps> | null = null;
  let channel: AgentChannel | null = null;
  let stopSalvage = (): void => undefined;
  let applyConfig = (_next: VipdConfig): Promise<InForce> => Promise.reject(new Error('the agent is starting'));
  let serving = false;
  let rejecting = false;
  let summary = '';

  const settled = (state: NodeState): void => {
    const now = boottimeMs();
    // The write probe would fail, or write, while the database is being made read-only.
    const serves = state.role === 'active' || (state.role === 'handing-off' && state.handoff?.phase === 'pre-demote');
    if (serves !== serving) {
      serving = serves;
      database?.setServing(serves);
    }
    const rejects = state.handoff?.phase === 'demoting' || state.handoff?.phase === 'applying';
    if (rejects !== rejecting) {
      rejecting = rejects;
      address.rejectNew(rejects);
    }
    // As soon as a planned move shuts clients out, none should be sent here any more.
    http?.servesUntil(serves ? (state.owner?.leaseUntil ?? 0) : 0);
    noWriterSince = hasWriter(state, now) ? null : (noWriterSince ?? now);
    const text = `${state.role}, term ${state.owner?.term ?? state.voter.record?.maxTerm ?? 0}`;
    if (text !== summary) service.status(text);
    summary = text;
    service.pet();
  };

  const loop = createLoop({
    now: boottimeMs,
    send: (to, message) => voters.get(to)?.send(message),
    persist: (record) => store.save(record),
    run: (id, step) => steps?.run(id, step),
    cancel: (id) => steps?.cancel(id),
    vipOff,
    renewed: (leaseUntil) => address.renew(leaseUntil),
    journal: tell,
    reply: (id, done, ok, text) => control.reply(id, done, ok, text),
    settled,
    exit: () => leave(false),
    broken: (error) => {
      log.fatal({ err: error }, 'the agent contradicted itself; taking the VIP off and leaving');
      void vipOff().finally(() => leave(true));
    },
  });

  const facts = async (state: NodeState): Promise<StatusFacts> => ({
    version: options.version,
    now: boottimeMs(),
    momentOf,
    addresses: Object.fromEntries(
      [config.self, config.peer, ...config.witnesses].map((host) => [host.name, host.address]),
    ),
    vips: inForce.config.vips.map((vip) => ({
      address: `${vip.address}/${vip.prefixLength}`,
      interface: vip.interface,
    })),
    vipsPresent: await address.present(),
    address: address.state(),
    guard: config.guard,
    paths: paths.stats(),
    pathsHeard,
    counters: link.counters,
    checkOutputs: checks.outputs,
    hookFailures,
    databaseVersion: database?.version() ?? '',
    changes,
    config: { path: options.configFile.path, version, loaded: momentOf(loadedAt), reload: reloader.last() },
    noWriterSince: hasWriter(state, boottimeMs()) ? null : noWriterSince,
    http: http?.state() ?? null,
  });
  const statusOf = async (state: NodeState): Promise<Status> => composeStatus(state, await facts(state));

  const tellReload = ({ ok, text, details }: ReloadStatus): void => {
    const term = loop.state()?.voter.record?.maxTerm ?? 0;
    // What is wrong belongs into the journal; warnings of a file that is in force do not.
    if (ok) for (const warning of details) log.warn(warning);
    tell({ kind: ok ? 'notice' : 'refusal', term, cause: 'reload', text: ok ? text : [text, ...details].join('; ') });
  };

  const reloader = createReloader({
    load: options.configFile.load,
    inForce: () => inForce.config,
    state: loop.state,
    takeOver: async (next) => {
      const digest = options.configFile.digest();
      const before = inForce;
      inForce = await applyConfig(next);
      version = digest;
      loadedAt = boottimeMs();
      return filesChanged(before, inForce);
    },
    now: boottimeMs,
    momentOf,
    tell: tellReload,
  });

  const control = createControl({
    socket: config.control.socket,
    group: config.control.group,
    dispatch: emit,
    state: loop.state,
    status: statusOf,
    history: (limit) => journal.tail(limit),
    reload: () => reloader.reload(),
    acknowledgeHooks: () => {
      hookFailures = [];
    },
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

  const leave = (failed: boolean): void => {
    loop.stop();
    service.stopping('leaving');
    checks.stop();
    steps?.cancelAll();
    stopSalvage();
    paths.close();
    const closing = [channel?.close(), vipOff(), database?.stop(), control.close(), journal.close(), http?.close()];
    void Promise.allSettled(closing).then(() => {
      address.close();
      options.onExit(failed);
    });
  };

  let stops = 0;
  return {
    start: async () => {
      const credentials = await loadCredentials(config.mysql.defaultsFile);
      inForce = { ...inForce, credentials };
      const loaded = await store.load();
      if (loaded.kind === 'unreadable')
        log.error(
          `the record ${store.path} is ${loaded.cause}, so nothing is granted until the others told their terms: ${loaded.why}`,
        );
      await paths.start();
      await control.open();
      http?.open();
      database = createDatabase({
        ...databaseTarget(config),
        credentials,
        check: config.mysql.check,
        killOnHang: config.mysql.killOnHang,
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
          [DOCTOR]: async () => collectFacts(options.version, inForce.config, loop.state(), boottimeMs(), Date.now()),
        },
        nowMs: boottimeMs,
        log: (level, fields, text) => log[level](fields, text),
      });
      const salvage = createSalvage({
        database,
        channel,
        target: databaseTarget(config),
        credentials: () => inForce.credentials,
        log: (level, fields, text) => log[level](fields, text),
      });
      await channel.start();
      if (config.promotion.salvage) salvage.start();
      stopSalvage = () => salvage.stop();
      const shutPeerDatabase = createShutPeerDatabase(() => inForce, boottimeMs);
      const parts = { link, channel, address, database, checks, target: databaseTarget(config), emit };
      applyConfig = (next) => takeOver({ ...parts, startSalvage: salvage.start }, inForce, next);
      steps = createSteps({
        database,
        address,
        hooks,
        hookFacts,
        fenceCommand:
          config.fence && createFenceCommand({ command: config.fence.command, facts: hookFacts, nowMs: boottimeMs }),
        salvage: salvage.salvage,
        gatherEvidence: createEvidence(() => inForce, shutPeerDatabase, boottimeMs),
        peerMayServe: () => {
          const state = loop.state();
          // Without a witness the evidence has shut it before the election (protocol.md).
          if (!state?.promotion || isPairAlone(state)) return false;
          const now = boottimeMs();
          return !peerHeard(state, now) && mayStillHold(state, state.promotion.servedBefore, now);
        },
        shutPeerDatabase,
        leaseUntil: () => loop.state()?.owner?.leaseUntil ?? 0,
        emit,
        onHook: noteHook,
      });
      loop.begin(startNode(core, loaded.kind === 'found' ? loaded.record : null, boottimeMs()));
      await address.open();
      database.start();
      checks.change(config.checks);
      service.ready('standby');
    },
    reload: reloader.reload,
    stop: () => {
      stops += 1;
      if (stops > 1) return leave(false);
      service.stopping('handing off');
      emit({ type: 'command', id: 0, command: { name: 'stop' } });
    },
  };
};

const databaseTarget = ({ mysql }: VipdConfig) => ({
  ...(mysql.local.kind === 'socket'
    ? { socket: mysql.local.path }
    : { host: mysql.local.host, port: mysql.local.port }),
  ...(mysql.adminPort === null ? {} : { adminPort: mysql.adminPort }),
});

/** The path between the nodes' own addresses also reaches the witnesses; the others link the nodes only. */
const pathsOf = (config: VipdConfig): readonly PathOptions[] => {
  const witnesses = Object.fromEntries(config.witnesses.map((witness) => [witness.name, witness.address]));
  const ports = Object.fromEntries(config.witnesses.map((witness) => [witness.name, witness.port]));
  const first = {
    local: config.self.address,
    remotes: { [config.peer.name]: config.peer.address, ...witnesses },
    ports,
  };
  const further = config.heartbeat.paths.map((path) => ({
    local: path.self.address,
    remotes: { [config.peer.name]: path.peer.address },
  }));
  return [first, ...further];
};
