/** What the tests of the HTTP server say again and again: where it listens in the lab, and what it answers there. */

import type { LabOptions } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import { ADDRESSES, type NodeName } from '../lab/topology.js';
import { CALM } from '../survival/ground.js';

export const HTTP_PORT = 9_694;
export const WITH_HTTP: LabOptions = { config: { ...CALM.config, http: { listen: `0.0.0.0:${HTTP_PORT}` } } };

export const urlOf = (node: NodeName, path: string): string => `http://${ADDRESSES[node].ipv4}:${HTTP_PORT}${path}`;

export interface Answer {
  /** 0: no answer. */
  readonly code: number;
  readonly body: string;
}

/** Asked by a client host, as a load balancer would. */
export const askHttp = async (lab: Lab, node: NodeName, path: string): Promise<Answer> => {
  const argv = ['curl', '--silent', '--max-time', '5', '--write-out', '\n%{http_code}', urlOf(node, path)];
  const { stdout } = await lab.exec('client', argv);
  const end = stdout.lastIndexOf('\n');
  return { code: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
};
