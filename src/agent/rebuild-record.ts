/** How far a rebuild has come, on disk: whatever dies in the middle, the next run goes on from there. */

import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { readBeginning, replaceFile } from '../host/durable-file.js';

/** MariaDB's, in this order; each is written once what it names is durable, and says what comes next. */
export const STAGES = ['copy', 'prepare', 'move-out', 'move-in', 'position', 'channel', 'judgement'] as const;
export type Stage = (typeof STAGES)[number];

/** Until then nothing of this node's own has been touched. */
export const isCopying = (stage: Stage | CloneRecord['stage']): boolean => stage === 'copy' || stage === 'prepare';

/** MySQL's: its data is deleted in the first of them. */
export const CLONE_STAGES = ['clone', 'source', 'judgement'] as const;

const rebuilt = z.object({
  format: z.literal(1),
  way: z.literal('copy'),
  stage: z.enum(STAGES),
  /** Whom the data is of. */
  active: z.string(),
  /** Of this node's server before. */
  version: z.string(),
  files: z.object({
    dataDirectory: z.string(),
    outside: z.array(z.string()),
    work: z.string(),
    uid: z.number(),
    gid: z.number(),
  }),
  /** What the copy holds; empty before there is one. */
  position: z.string(),
});

const cloned = z.object({
  format: z.literal(1),
  way: z.literal('clone'),
  stage: z.enum(CLONE_STAGES),
  active: z.string(),
  /** Where this node's channel pulled from. */
  source: z.object({ host: z.string(), port: z.number() }),
  /** The clone that was the last one here before. */
  before: z.string(),
});

const record = z.discriminatedUnion('way', [rebuilt, cloned]);

export type RebuildRecord = z.output<typeof rebuilt>;
export type CloneRecord = z.output<typeof cloned>;

const MAX_BYTES = 2_000_000;

/** Null: no rebuild is under way. @throws Error where there is something that is no such record */
export const loadRebuild = async (path: string): Promise<RebuildRecord | CloneRecord | null> => {
  let content: string;
  try {
    content = await readBeginning(path, MAX_BYTES);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new Error(`cannot read ${path}, which tells how far a rebuild has come: ${String(error)}`);
  }
  try {
    return record.parse(JSON.parse(content));
  } catch {
    throw new Error(`${path} does not tell how far a rebuild has come; look at it, and remove it to begin anew`);
  }
};

export const saveRebuild = (path: string, now: RebuildRecord | CloneRecord): Promise<void> =>
  replaceFile(path, `${JSON.stringify(now)}\n`);

export const forgetRebuild = (path: string): Promise<void> => rm(path, { force: true });
