/** Runs one lab in the background for scripts/lab: builds it, then answers one request a connection on a unix socket. */

import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { LabOptions } from './host-files.js';
import { createLab, type Lab } from './lab.js';
import { NAMED_FAULTS, vipHolder } from './named-faults.js';
import { type HostReport, type LabReply, type LabRequest, SERVER_SOCKET } from './server-protocol.js';
import { addressesOf, NODES, type NodeName } from './topology.js';

const roleOf = (lab: Lab, node: NodeName): Promise<string> =>
  lab.status(node).then(
    (status) => status.nodes.find((one) => one.self)?.role ?? 'unknown',
    () => '-',
  );

const databaseReport = async (lab: Lab, node: NodeName): Promise<readonly [string, string]> => {
  try {
    const [row] = await lab.database[node].sql('SELECT @@read_only AS readOnly');
    const { receiver, applier } = await lab.database[node].channel();
    const threads = `io ${receiver.toLowerCase()}, sql ${applier.toLowerCase()}`;
    return [String(row?.readOnly) === '0' ? 'no' : 'yes', threads];
  } catch {
    return ['-', '-'];
  }
};

const reportNode = async (lab: Lab, node: NodeName): Promise<HostReport> => {
  const running = lab.database[node].running;
  // A stopped process accepts connections and never answers, so only one that runs is asked.
  const [readOnly, replication] = running ? await databaseReport(lab, node) : (['-', '-'] as const);
  const addresses = await addressesOf(node).catch((): readonly string[] => []);
  return {
    host: node,
    role: await roleOf(lab, node),
    vip: addresses.includes(lab.vip),
    database: running ? `up, pid ${lab.database[node].pid}` : 'down',
    readOnly,
    replication,
    agent: lab.agent[node].running ? `up, pid ${lab.agent[node].pid}` : 'down',
  };
};

const witnessReport = (lab: Lab): HostReport => ({
  host: 'w1',
  role: 'witness',
  vip: false,
  database: '-',
  readOnly: '-',
  replication: '-',
  agent: lab.witness.running ? `up, pid ${lab.witness.pid}` : 'down',
});

const statusReply = async (lab: Lab, text: string): Promise<LabReply> => {
  const nodes = await Promise.all(NODES.map((node) => reportNode(lab, node)));
  return { ok: true, text, directory: lab.directory, hosts: [...nodes, witnessReport(lab)] };
};

const answer = async (lab: Lab, request: LabRequest): Promise<LabReply> => {
  switch (request.request) {
    case 'status':
      return statusReply(lab, '');
    case 'fault': {
      const fault = NAMED_FAULTS[request.fault];
      if (fault === undefined) return { ok: false, text: `no fault is called ${request.fault}` };
      const node = request.node ?? (await vipHolder(lab)) ?? 'db1';
      await fault.run(lab, node);
      return statusReply(lab, `${request.fault} ${node}: ${fault.text}`);
    }
  }
};

const serve = (lab: Lab, socket: Socket): void => {
  socket.on('error', () => socket.destroy());
  createInterface({ input: socket }).once('line', (line) => {
    answer(lab, JSON.parse(line) as LabRequest)
      .catch(
        (error: unknown): LabReply => ({ ok: false, text: error instanceof Error ? error.message : String(error) }),
      )
      .then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
  });
};

const options = process.argv[2];
if (options === undefined) throw new Error('usage: server OPTIONS, inside the sandbox; use scripts/lab');
const lab = await createLab(JSON.parse(options) as LabOptions);
createServer((socket) => serve(lab, socket)).listen(SERVER_SOCKET);
