/** What scripts/lab and the lab it left running say to each other: one line of JSON each way. */

import { join } from 'node:path';
import { LAB_ROOT } from './sandbox.js';
import type { NodeName } from './topology.js';

export const SERVER_SOCKET = join(LAB_ROOT, 'lab.sock');

export type LabRequest =
  | { readonly request: 'status' }
  | { readonly request: 'fault'; readonly fault: string; readonly node: NodeName | undefined };

export interface HostReport {
  readonly host: string;
  readonly role: string;
  readonly vip: boolean;
  readonly database: string;
  readonly readOnly: string;
  readonly replication: string;
  readonly agent: string;
}

export type LabReply =
  | { readonly ok: true; readonly text: string; readonly directory: string; readonly hosts: readonly HostReport[] }
  | { readonly ok: false; readonly text: string };
