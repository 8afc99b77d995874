/** `vipd witness`: one socket, many groups, a voter and a record for each. */

import type { Effect } from '../core/effect.js';
import type { Instant, VoterName, VoterRecord } from '../core/types.js';
import type { VoterState } from '../core/voter.js';
import { createWitness, stepWitness, type WitnessEvent } from '../core/witness.js';
import { peekGroup } from '../wire/layout.js';
import { createLink, type Link, type PeerFrames } from '../wire/link.js';

/** Where datagrams come from and go back to; a witness knows its nodes by where they last spoke from. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly path: string;
}

export interface WitnessGroup {
  readonly name: string;
  readonly nodes: readonly VoterName[];
  readonly keys: readonly Buffer[];
  /** Null: none that could be read. */
  readonly record: VoterRecord | null;
  readonly save: (record: VoterRecord) => Promise<void>;
}

export interface WitnessServerOptions {
  readonly name: VoterName;
  readonly groups: readonly WitnessGroup[];
  readonly now: () => Instant;
  readonly randomBytes: (n: number) => Buffer;
  readonly reply: (to: Endpoint, datagram: Buffer) => void;
  readonly log: (level: 'info' | 'warn' | 'error', fields: object, text: string) => void;
}

export interface WitnessServer {
  /** One datagram; whatever it is, it ends nothing. */
  readonly receive: (datagram: Buffer, from: Endpoint) => void;
  /** From now on these groups, by name with their keys: `added` join, those not named leave, the others go on voting. */
  readonly change: (keys: ReadonlyMap<string, readonly Buffer[]>, added: readonly WitnessGroup[]) => void;
  /** The first node of the group whose newest frame was signed with none of these keys; null: there is none. */
  readonly signsWithout: (group: string, keys: readonly Buffer[]) => VoterName | null;
  /** What became of all frames, by group. */
  readonly counters: () => Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** By group and node. */
  readonly nodeFrames: () => Readonly<Record<string, Readonly<Record<VoterName, PeerFrames>>>>;
}

interface Seat {
  readonly group: WitnessGroup;
  readonly link: Link;
  voter: VoterState;
  /** Where each node was last heard by a genuine frame. */
  readonly endpoints: Map<VoterName, Endpoint>;
}

export const createWitnessServer = (options: WitnessServerOptions): WitnessServer => {
  const { name, now, randomBytes, log } = options;
  const seats = new Map<string, Seat>();
  const seat = (group: WitnessGroup): void => {
    const link = createLink({
      group: group.name,
      self: name,
      peers: group.nodes,
      keys: group.keys,
      randomBytes,
      nowMs: now,
    });
    const voter = createWitness({ name, nodes: group.nodes, record: group.record }, now());
    seats.set(group.name, { group, link, voter, endpoints: new Map() });
  };
  for (const group of options.groups) seat(group);
  let foreign = 0;

  const take = (seat: Seat, event: WitnessEvent): void => {
    const before = seat.voter.record;
    const { state, effects } = stepWitness(seat.voter, event, now());
    seat.voter = state;
    tellChange(seat.group.name, before, state.record);
    for (const effect of effects) carryOut(seat, effect);
  };

  const tellChange = (group: string, before: VoterRecord | null, after: VoterRecord | null): void => {
    if (
      !after ||
      (before?.maxTerm === after.maxTerm && before.servedTerm === after.servedTerm && before.sync === after.sync)
    )
      return;
    const { maxTerm, holder, servedTerm, sync } = after;
    log(
      'info',
      { group, maxTerm, holder, servedTerm, sync },
      before ? 'record changed' : 'record made from what the nodes told',
    );
  };

  const carryOut = (seat: Seat, effect: Effect): void => {
    if (effect.type === 'send') {
      const endpoint = seat.endpoints.get(effect.to);
      const datagram = endpoint ? seat.link.seal(effect.to, effect.message) : null;
      if (endpoint && datagram) options.reply(endpoint, datagram);
    }
    if (effect.type === 'persist') {
      const done = (ok: boolean, detail: string): void => {
        if (!ok) log('error', { group: seat.group.name }, `votes are refused: ${detail}`);
        take(seat, { type: 'persisted', id: effect.id, ok, detail });
      };
      seat.group.save(effect.record).then(
        () => done(true, ''),
        (cause: unknown) => done(false, cause instanceof Error ? cause.message : String(cause)),
      );
    }
  };

  return {
    receive: (datagram, from) => {
      const seat = seats.get(peekGroup(datagram) ?? '');
      if (!seat) {
        foreign += 1;
        return;
      }
      const opened = seat.link.open(datagram);
      if (opened.type === 'hello') options.reply(from, opened.datagram);
      if (opened.type !== 'message') return;
      seat.endpoints.set(opened.from, from);
      take(seat, { type: 'message', from: opened.from, message: opened.message });
    },
    change: (keys, added) => {
      for (const group of added) seat(group);
      for (const [name, { link }] of [...seats]) {
        const given = keys.get(name);
        if (given) link.setKeys(given);
        else seats.delete(name);
      }
    },
    signsWithout: (group, keys) => seats.get(group)?.link.signsWithout(keys) ?? null,
    counters: () => ({
      '': { 'other-group': foreign },
      ...Object.fromEntries([...seats].map(([group, seat]) => [group, seat.link.counters])),
    }),
    nodeFrames: () => Object.fromEntries([...seats].map(([group, seat]) => [group, seat.link.frames()])),
  };
};
