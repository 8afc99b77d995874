/** Every key of a witness's file: its form, default and meaning. */

import type { z } from 'zod';
import { absolutePath, endpoint, list, name, section } from './fields.js';
import { keyFile } from './key-file-field.js';
import { HEARTBEAT_PORT } from './schema.js';

const group = section({
  name: name('group').describe('Name of the group, as on its nodes.'),
  nodes: list(name('node'), { min: 2, max: 2, hint: 'write the names of both nodes: [db1, db2]' }).describe(
    'Names of the two nodes. Nobody else gets a vote, not even with the key.',
  ),
  key_file: keyFile().describe("The group's key, mode 0600; a list while a key is rotated."),
});

/** Far beyond what one core answers in time (docs/benchmarks.md). */
const MAX_GROUPS = 10_000;

export const witnessShape = {
  name: name('witness').describe('Name of this witness, as the nodes have it under witnesses.'),
  listen: endpoint(HEARTBEAT_PORT).describe('Address, and UDP port if it is another, to listen on.'),
  groups: list(group, { min: 1, max: MAX_GROUPS, hint: 'write at least one group' }).describe(
    'The groups this witness votes in.',
  ),
  state_directory: absolutePath()
    .prefault('/var/lib/vipd-witness')
    .describe('The votes given. It must survive a restart of the host.'),
} as const;

export const witnessSchema = section(witnessShape).describe('Configuration of `vipd witness`.');

/** The file as read: checked key by key, with defaults, in the file's own names. */
export type WitnessFile = z.output<typeof witnessSchema>;
