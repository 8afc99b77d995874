/** On MariaDB: from where on in a server's binary logs another has not got what is there, by the order of each domain. */

import { basename } from 'node:path';
import type { Position } from '../core/types.js';
import type { Gtid as AnyGtid } from './binlog-events.js';
import { type Deadline, scan } from './binlog-files.js';
import type { Shipment, Tail } from './binlog-tail.js';

interface Gtid {
  readonly domain: number;
  readonly server: number;
  readonly sequence: number;
}

/** First transaction of a domain that `have` lacks. */
interface FirstMissing {
  readonly gtid: Gtid;
  readonly fileIndex: number;
  readonly start: number;
  readonly count: number;
}

/**
 * Back through the files until `have` is found. A replica takes a domain in the source's order, so what stands before the
 * last GTID that it has of a domain, it has too, also where its own binlog does not name it (a clone).
 */
export const findMissingOfMariadb = async (
  files: readonly string[],
  tail: Tail,
  have: Position,
  missing: string,
  deadline: Deadline,
): Promise<Shipment> => {
  const had = parseGtids(have);
  const lastHad = lastOfDomains(had);
  const sequences = new Map(had.map((gtid) => [sourceOf(gtid), gtid.sequence]));
  const isHad = (gtid: Gtid): boolean => gtid.sequence <= (sequences.get(sourceOf(gtid)) ?? 0);
  const first = new Map<number, FirstMissing>();
  const found = new Set<number>();
  let unknown: readonly Gtid[] = [];
  const cannot = (why: string): Shipment => ({ kind: 'cannot', tail, why, missing });
  for (let fileIndex = files.length - 1; fileIndex >= 0; fileIndex -= 1) {
    const path = files[fileIndex] ?? '';
    const here = new Map<number, FirstMissing>();
    const foundHere = new Set<number>();
    const note = ({ source, sequence }: AnyGtid, start: number): void => {
      const [domain = 0, server = 0] = source.split('-').map(Number);
      const gtid: Gtid = { domain, server, sequence };
      const last = lastHad.get(gtid.domain);
      if (last !== undefined && last.server === gtid.server && last.sequence === gtid.sequence) {
        here.delete(gtid.domain);
        foundHere.add(gtid.domain);
      } else if (!isHad(gtid)) {
        const known = here.get(gtid.domain);
        if (known === undefined) here.set(gtid.domain, { gtid, fileIndex, start, count: 1 });
        else here.set(gtid.domain, { ...known, count: known.count + 1 });
      }
    };
    const { heldAtStart, torn } = await scan(path, deadline, note);
    if (torn && fileIndex < files.length - 1) return cannot(`${path} is damaged in the middle`);
    for (const [domain, earlier] of here) {
      if (found.has(domain)) continue;
      first.set(domain, { ...earlier, count: earlier.count + (first.get(domain)?.count ?? 0) });
    }
    for (const domain of foundHere) found.add(domain);
    unknown = parseGtids(heldAtStart).filter((gtid) => !found.has(gtid.domain) && !isHad(gtid));
    if (unknown.length === 0) break;
  }
  if (unknown.length > 0) {
    const oldest = basename(files[0] ?? '');
    return cannot(
      `its oldest binary log ${oldest} begins after ${unknown.map(format).join(',')}, which is not here either: the files before it ` +
        `were purged (raise binlog_expire_logs_seconds)`,
    );
  }
  return shipmentOf(files, tail, missing, lastHad, [...first.values()]);
};

const shipmentOf = (
  files: readonly string[],
  tail: Tail,
  missing: string,
  lastHad: ReadonlyMap<number, Gtid>,
  parts: readonly FirstMissing[],
): Shipment => {
  // All that is missing by the count of each server stands before what is had: a clone's binlog does not name it.
  const [one] = [...parts].sort((a, b) => a.fileIndex - b.fileIndex || a.start - b.start);
  if (one === undefined) return { kind: 'nothing', tail };
  for (const { gtid } of parts) {
    const had = lastHad.get(gtid.domain);
    if (had !== undefined && had.sequence >= gtid.sequence) {
      const why = `this node has ${format(had)}, and the dead server has ${format(gtid)} of its own: both have written`;
      return { kind: 'cannot', tail, why, missing };
    }
  }
  // Sources of which nothing is shipped are left out: a clone has them without naming them.
  const upTo = parseGtids(tail.position).filter(({ domain, sequence }) =>
    parts.some(({ gtid }) => gtid.domain === domain && sequence >= gtid.sequence),
  );
  return {
    kind: 'ship',
    tail,
    files: files.slice(one.fileIndex),
    start: one.start,
    end: tail.end,
    ...(parts.length > 1 ? { without: [...lastHad.values()].map(format).join(',') } : {}),
    upTo: `mariadb:${upTo.map(format).join(',')}`,
    missing,
    transactions: parts.reduce((sum, part) => sum + part.count, 0),
  };
};

const format = ({ domain, server, sequence }: Gtid): string => `${domain}-${server}-${sequence}`;
const sourceOf = ({ domain, server }: Gtid): string => `${domain}-${server}`;
/** Body of a position, or a whole one; its sources are named once each. */
const parseGtids = (position: string): readonly Gtid[] =>
  [...position.matchAll(/(\d+)-(\d+)-(\d+)/g)].map(([, domain, server, sequence]) => ({
    domain: Number(domain),
    server: Number(server),
    sequence: Number(sequence),
  }));

/** In strict mode a domain's highest sequence number is its last. */
const lastOfDomains = (gtids: readonly Gtid[]): ReadonlyMap<number, Gtid> => {
  const last = new Map<number, Gtid>();
  for (const gtid of gtids) if (gtid.sequence > (last.get(gtid.domain)?.sequence ?? 0)) last.set(gtid.domain, gtid);
  return last;
};
