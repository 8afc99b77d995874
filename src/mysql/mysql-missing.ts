/** On MySQL: which files of a server's binary logs, and which bytes of them, hold what another has not got, by GTID sets. */

import { basename } from 'node:path';
import { createMembership, differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Gtid } from './binlog-events.js';
import { type Deadline, scan } from './binlog-files.js';
import type { Shipment, Tail } from './binlog-tail.js';

/** Back through the files until everything before one is had. */
export const findMissingOfMysql = async (
  files: readonly string[],
  tail: Tail,
  have: Position,
  missing: string,
  deadline: Deadline,
): Promise<Shipment> => {
  const isHad = createMembership(have);
  const cannot = (why: string): Shipment => ({ kind: 'cannot', tail, why, missing });
  let first: { readonly fileIndex: number; readonly start: number } | undefined;
  let transactions = 0;
  // Something that is had stands behind the first that is missing.
  let mixed = false;
  let laterHad = false;
  let unknown = missing;
  for (let fileIndex = files.length - 1; fileIndex >= 0 && unknown !== ''; fileIndex -= 1) {
    const path = files[fileIndex] ?? '';
    let start: number | undefined;
    let had = false;
    let hadBehind = false;
    const note = ({ source, sequence }: Gtid, at: number): void => {
      if (isHad(source, sequence)) {
        had = true;
        hadBehind ||= start !== undefined;
        return;
      }
      start ??= at;
      transactions += 1;
    };
    const { heldAtStart, torn } = await scan(path, deadline, note);
    if (torn && fileIndex < files.length - 1) return cannot(`${path} is damaged in the middle`);
    if (start !== undefined) {
      first = { fileIndex, start };
      mixed ||= laterHad || hadBehind;
    }
    laterHad ||= had;
    unknown = differencePosition(heldAtStart, have);
  }
  if (unknown !== '') {
    const oldest = basename(files[0] ?? '');
    return cannot(
      `its oldest binary log ${oldest} begins after ${unknown}, which is not here either: the files before it were ` +
        `purged (raise binlog_expire_logs_seconds)`,
    );
  }
  if (first === undefined) return { kind: 'nothing', tail };
  return {
    kind: 'ship',
    tail,
    files: files.slice(first.fileIndex),
    start: first.start,
    end: tail.end,
    ...(mixed ? { without: have.slice(have.indexOf(':') + 1) } : {}),
    missing,
    upTo: tail.position,
    transactions,
  };
};
