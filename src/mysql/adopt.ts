/** `rejoin --keep`: lets a node replicate on top of its own commits, once the active has been given the same rows. */

import { differencePosition } from '../core/position.js';
import type { Position } from '../core/types.js';
import type { Link } from './links.js';
import { lastOfEachDomain } from './mariadb.js';
import { PROMPT_MS } from './step.js';

/** RESET MASTER deletes files. */
const RESET_MS = 60_000;
/** Empty transactions, one by one: more than these are a rebuild's work. */
export const ADOPT_MAX = 10_000;

/**
 * MariaDB: here, the binary logs are begun anew at what both have; the sequence numbers of one domain leave no room for
 * more on the active. MySQL: there, an empty transaction takes each GTID.
 * @throws DatabaseError, or Error that says what is in the way
 */
export const adoptDivergence = async (here: Link, there: () => Promise<Link>, active: Position): Promise<void> => {
  const ask = (sql: string) => here.session.query(sql, PROMPT_MS);
  const status = await here.flavour.readStatus(ask);
  if (status.channel !== undefined && (status.channel.io !== 'stopped' || status.channel.sql !== 'stopped'))
    throw new Error('this node replicates: only what was quarantined can be kept');
  if (here.flavour.name === 'mysql') {
    await injectEmpty(await there(), differencePosition(status.position, active));
    return;
  }
  const common = commonGtids(status.position, active);
  await here.session.query('RESET MASTER', RESET_MS);
  await ask(`SET GLOBAL gtid_slave_pos='${lastOfEachDomain(common)}'`);
  await ask(`SET GLOBAL gtid_binlog_state='${common}'`);
};

/** Of each server of each domain, as far as both have come: in strict mode the highest of them is the last they share. */
export const commonGtids = (one: Position, other: Position): string => {
  const sequences = sequencesOf(other);
  return [...sequencesOf(one)]
    .flatMap(([source, sequence]) => {
      const theirs = sequences.get(source);
      return theirs === undefined ? [] : [`${source}-${Math.min(sequence, theirs)}`];
    })
    .join(',');
};

const sequencesOf = (position: Position): ReadonlyMap<string, number> =>
  new Map([...position.matchAll(/(\d+-\d+)-(\d+)/g)].map(([, source = '', last = '0']) => [source, Number(last)]));

const injectEmpty = async ({ session }: Link, missing: string): Promise<void> => {
  const gtids = expandGtids(missing);
  const ask = (sql: string) => session.query(sql, PROMPT_MS);
  await ask('SET SESSION sql_log_bin=1');
  try {
    for (const gtid of gtids) {
      await ask(`SET SESSION gtid_next='${gtid}'`);
      await ask('BEGIN');
      await ask('COMMIT');
    }
  } finally {
    await ask("SET SESSION gtid_next='AUTOMATIC'").catch(() => undefined);
    session.destroy();
  }
};

/** `uuid:1-2:7` as `uuid:1`, `uuid:2`, `uuid:7`. @throws Error where they are more than ADOPT_MAX */
export const expandGtids = (set: string): readonly string[] => {
  const gtids: string[] = [];
  for (const source of set.split(',')) {
    const [uuid = '', ...parts] = source.split(':');
    let name = uuid;
    for (const part of parts) {
      const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
      if (from === undefined) name = `${uuid}:${part}`;
      else for (let n = Number(from); n <= Number(to ?? from); n += 1) gtids.push(add(gtids.length, `${name}:${n}`));
    }
  }
  return gtids;
};

const add = (count: number, gtid: string): string => {
  if (count >= ADOPT_MAX) throw new Error(`more than ${ADOPT_MAX} transactions: rebuild the node instead`);
  return gtid;
};
