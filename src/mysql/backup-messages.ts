/** What the two sides of a rebuild tell each other beside the backup itself. */

import { z } from 'zod';

/** The purpose on the agents' channel. */
export const BACKUP = 'backup';

/** Told before the first byte. */
const note = z.object({
  /** Series and patch: `10.11.19`. */
  version: z.string(),
  /** What the server had before the backup began; all of it is in the backup. */
  position: z.string(),
  /** Of its data directory, about as many as will come. */
  bytes: z.number(),
});

const trailer = z.object({ bytes: z.number() });

export type BackupNote = z.output<typeof note>;
export type BackupTrailer = z.output<typeof trailer>;

/** Undefined where it is no such message: the other side runs another version. */
export const parseBackupNote = (value: unknown): BackupNote | undefined => note.safeParse(value).data;
export const parseBackupTrailer = (value: unknown): BackupTrailer | undefined => trailer.safeParse(value).data;
