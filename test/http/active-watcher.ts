/**
 * Asks `/active` of both nodes again and again, as a load balancer does: a program that runs on a client host. Prints one
 * line for each answer: node, code, begin and end in milliseconds of CLOCK_MONOTONIC. No answer is no line.
 */

import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ADDRESSES, NODES, type NodeName } from '../lab/topology.js';

const EVERY_MS = 5;
const TIMEOUT_MS = 500;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const ask = (node: NodeName, port: number): Promise<void> =>
  new Promise((resolve) => {
    const begin = now();
    const request = get(
      { host: ADDRESSES[node].ipv4, port, path: '/active', agent: false, timeout: TIMEOUT_MS },
      (response) => {
        process.stdout.write(`${node} ${response.statusCode} ${begin.toFixed(3)} ${now().toFixed(3)}\n`);
        response.resume();
        response.once('close', () => resolve());
      },
    );
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve());
    request.once('close', () => resolve());
  });

const watch = async (node: NodeName, port: number): Promise<void> => {
  for (;;) {
    await ask(node, port);
    await sleep(EVERY_MS);
  }
};

const port = Number(process.argv[2]);
await Promise.all(NODES.map((node) => watch(node, port)));
