/** Keeps a voter's record on disk, so that a power cut leaves the old record or the new one and never half of one. */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { VoterName, VoterRecord } from '../core/types.js';
import { readBeginning, replaceFile } from './durable-file.js';

/** Raised when the record's fields change; a record of another format is not guessed at. */
const FORMAT = 1;
/** A record is about 300 bytes; what is larger is not one of ours. */
const MAX_FILE_BYTES = 65_536;
/** Saves that may wait for one write. A disk that lets more pile up is dead. */
const MAX_WAITING_SAVES = 1_000;

export type LoadResult =
  | { readonly kind: 'found'; readonly record: VoterRecord }
  /** There has never been one here. */
  | { readonly kind: 'missing' }
  /**
   * torn: not what was written; foreign: of another group, voter or format; invalid: sound, but its fields make no
   * record; access: the file system says no.
   */
  | {
      readonly kind: 'unreadable';
      readonly cause: 'torn' | 'foreign' | 'invalid' | 'access';
      /** One sentence for the operator. */
      readonly why: string;
    };

export interface RecordStore {
  readonly path: string;
  /** Never rejects. */
  load(): Promise<LoadResult>;
  /**
   * Resolves when `record`, or one saved later, is durable. Rejects with {@link StoreError} when it is not known to be;
   * the record that was there before is then still whole. One write at a time: of those that wait, the latest is written.
   */
  save(record: VoterRecord): Promise<void>;
}

/** A record could not be made durable. `code` is the name of errno(3), such as `ENOSPC`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';

  constructor(
    readonly path: string,
    readonly code: string,
    what: string,
    cause?: unknown,
  ) {
    super(`cannot write the voter's record ${path}: ${what}`, { cause });
  }
}

export interface RecordStoreOptions {
  /** `state_directory`; a witness keeps each of its groups below it. */
  readonly directory: string;
  readonly group: string;
  /** Whose record it is. One copied from another host is not ours. */
  readonly voter: VoterName;
}

/** The record of `group` is `<directory>/<group>/record.json`. Throws RangeError for a group name that is no file name. */
export const createRecordStore = (options: RecordStoreOptions): RecordStore => {
  const { directory, group } = options;
  if (!/^[A-Za-z0-9][\w.-]*$/.test(group)) throw new RangeError(`the group name '${group}' cannot name a directory`);
  const path = join(directory, group, 'record.json');
  const save = latestWins(path, (record) => write(path, encode(options, record)));
  return { path, load: () => load(path, options), save };
};

const count = z.number().int().nonnegative();

const recordSchema = z.strictObject({
  maxTerm: count,
  holder: z.string().nullable(),
  servedTerm: count,
  sync: z.boolean(),
  maxLeaseMs: z.number().nonnegative(),
  dataTerm: count,
  /** Absent from records that 0.1 wrote first. */
  byWord: z.boolean().default(false),
  pause: z
    .strictObject({
      version: count,
      on: z.boolean(),
      leftMs: z.number().min(-1),
      since: z.number().nonnegative(),
      boot: z.string(),
    })
    .readonly(),
  maintenance: z.boolean(),
}) satisfies z.ZodType<VoterRecord>;

const fileSchema = z.strictObject({
  format: z.number(),
  group: z.string(),
  voter: z.string(),
  /** Over `record` as JSON text, with the three fields above it. */
  sha256: z.string(),
  record: z.unknown(),
});

type Identity = Pick<RecordStoreOptions, 'group' | 'voter'>;

const checksum = ({ group, voter }: Identity, format: number, record: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify([format, group, voter, record]))
    .digest('hex');

const encode = ({ group, voter }: Identity, record: VoterRecord): string => {
  const sha256 = checksum({ group, voter }, FORMAT, record);
  return `${JSON.stringify({ format: FORMAT, group, voter, sha256, record }, null, 2)}\n`;
};

const load = async (path: string, identity: Identity): Promise<LoadResult> => {
  try {
    return decode(path, await readBeginning(path, MAX_FILE_BYTES), identity);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { kind: 'missing' };
    return unreadable('access', `cannot read ${path}: ${code}; see its permissions and the disk`);
  }
};

const decode = (path: string, text: string, identity: Identity): LoadResult => {
  const file = fileSchema.safeParse(parseJson(text));
  if (!file.success)
    return unreadable('torn', `${path} is not a whole record: ${text.length} characters, cut or damaged`);
  const { format, group, voter, sha256, record } = file.data;
  if (sha256 !== checksum({ group, voter }, format, record)) {
    return unreadable('torn', `${path} is damaged or was edited: its checksum does not fit`);
  }
  if (format !== FORMAT)
    return unreadable('foreign', `${path} has format ${format}, and this vipd reads format ${FORMAT}`);
  if (group !== identity.group || voter !== identity.voter) {
    const [theirs, ours] = [`${voter} in group ${group}`, `${identity.voter} in group ${identity.group}`];
    return unreadable('foreign', `${path} is the record of ${theirs}, and this is ${ours}; was it copied here?`);
  }
  const parsed = recordSchema.safeParse(record);
  if (parsed.success) return { kind: 'found', record: parsed.data };
  const [issue] = parsed.error.issues;
  return unreadable('invalid', `${path} holds no valid record: ${issue?.path.join('.')}: ${issue?.message}`);
};

const unreadable = (cause: 'torn' | 'foreign' | 'invalid' | 'access', why: string): LoadResult => ({
  kind: 'unreadable',
  cause,
  why,
});

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Writes one at a time; whoever saves during a write shares the next one, which writes the newest record only. */
const latestWins = (
  path: string,
  write: (record: VoterRecord) => Promise<void>,
): ((record: VoterRecord) => Promise<void>) => {
  let next: { record: VoterRecord; readonly waiters: Waiter[] } | null = null;
  let writing = false;
  const work = async (): Promise<void> => {
    if (writing) return;
    writing = true;
    while (next !== null) {
      const { record, waiters } = next;
      next = null;
      try {
        await write(record);
        for (const waiter of waiters) waiter.resolve();
      } catch (error) {
        for (const waiter of waiters) waiter.reject(error);
      }
    }
    writing = false;
  };
  return (record) =>
    new Promise((resolve, reject) => {
      next ??= { record, waiters: [] };
      if (next.waiters.length >= MAX_WAITING_SAVES) {
        reject(new StoreError(path, 'EBUSY', `${MAX_WAITING_SAVES} saves wait already; the disk does not answer`));
        return;
      }
      next.record = record;
      next.waiters.push({ resolve, reject });
      void work();
    });
};

const write = async (path: string, text: string): Promise<void> => {
  try {
    await replaceFile(path, text);
  } catch (error) {
    const code = codeOf(error);
    throw new StoreError(path, code, `${code}${advice(code)}`, error);
  }
};

const advice = (code: string): string => {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return ' (the disk is full); free some space';
    case 'EROFS':
      return ' (the file system is read-only); see the kernel log, and remount it';
    case 'EIO':
      return ' (the disk fails); see the kernel log';
    case 'EACCES':
    case 'EPERM':
      return ' (not allowed); see the owner and mode of the state directory';
    default:
      return '';
  }
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
