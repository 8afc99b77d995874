/** scripts/lab: a lab to try things in, on the command line. */

import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { askLab, downLab, execInLab, findLab, type Running, removeRecord, upLab } from './background.js';
import { NAMED_FAULTS } from './named-faults.js';
import { VIPCTL, VIPD } from './programs.js';
import type { HostReport, LabReply } from './server-protocol.js';
import { HOSTS, NODES, type NodeName, type Place } from './topology.js';

const PLACES: readonly Place[] = [...HOSTS, 'switch'];

const fail = (text: string): never => {
  process.stderr.write(`${text}\n`);
  process.exit(1);
};

const runningLab = (): Running => findLab() ?? fail('no lab is running: start one with "scripts/lab up"');

const table = (rows: ReadonlyArray<readonly string[]>): string => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

const hostRow = (host: HostReport): readonly string[] => [
  host.host,
  host.role,
  host.vip ? 'here' : '-',
  host.database,
  host.readOnly,
  host.replication,
  host.agent,
];

const show = (reply: LabReply): void => {
  if (!reply.ok) fail(reply.text);
  else {
    if (reply.text !== '') process.stdout.write(`${reply.text}\n\n`);
    const head = ['HOST', 'ROLE', 'VIP', 'DATABASE', 'READ-ONLY', 'REPLICATION', 'AGENT'];
    process.stdout.write(
      `${table([head, ...reply.hosts.map(hostRow)])}\n\nfiles: ${reply.directory} (inside the lab)\n`,
    );
  }
};

interface UpOptions {
  readonly agents: boolean;
  readonly witness: boolean;
  readonly ipv6?: true;
  readonly secondPath?: true;
  readonly semiSync: string;
  readonly mysql?: true;
}

const up = async (options: UpOptions): Promise<void> => {
  if (findLab() !== undefined)
    fail('a lab is running already: see "scripts/lab status", or end it with "scripts/lab down"');
  if (process.getuid?.() !== 0)
    fail('the lab makes network namespaces, which needs root: run it as root, or with sudo');
  const { agents, witness, semiSync } = options;
  if (agents && !existsSync(VIPD)) fail(`${VIPD} is not there: build it with "npm run build", or use scripts/lab`);
  if (semiSync !== 'off' && semiSync !== 'monitor' && semiSync !== 'manage') {
    return fail(`--semi-sync ${semiSync}: it is off, monitor or manage`);
  }
  const running = await upLab({
    flavour: options.mysql ? 'mysql' : 'mariadb',
    agents,
    witness,
    semiSync,
    ipv6: options.ipv6 ?? false,
    secondPath: options.secondPath ?? false,
  });
  show(await askLab(running, { request: 'status' }));
};

const execute = (place: string, argv: readonly string[]): void => {
  const running = runningLab();
  const known = PLACES.find((one) => one === place) ?? fail(`no host ${place}; there are ${PLACES.join(', ')}`);
  process.exitCode = execInLab(running, known, argv);
};

const fault = async (name: string, host: string | undefined): Promise<void> => {
  const running = runningLab();
  if (NAMED_FAULTS[name] === undefined) fail(`no fault is called ${name}; see "scripts/lab fault --help"`);
  const node: NodeName | undefined = NODES.find((one) => one === host);
  if (host !== undefined && node === undefined) fail(`no database host ${host}; there are ${NODES.join(' and ')}`);
  show(await askLab(running, { request: 'fault', fault: name, node }));
};

const down = async (): Promise<void> => {
  const running = findLab();
  if (running === undefined) process.stdout.write('no lab is running\n');
  else await downLab(running);
  // What a lab that was killed has left of its record.
  removeRecord();
};

const faultHelp = [
  '',
  'Without a host, the one that has the virtual address. Faults:',
  ...Object.entries(NAMED_FAULTS).map(([name, { text }]) => `  ${name.padEnd(18)}${text}`),
].join('\n');

const program = new Command('scripts/lab').description(
  'Two database hosts (db1, db2), a witness (w1) and a client on a switch of their own, on this machine.',
);
// So that options after a host and a command are the command's.
program.enablePositionalOptions();
program
  .command('up')
  .description('start a lab and leave it running')
  .option('--mysql', 'MySQL instead of MariaDB')
  .option('--no-agents', 'databases alone, without vipd')
  .option('--no-witness', 'a group of two voters')
  .option('--ipv6', 'an IPv6 address beside the IPv4 one')
  .option('--second-path', 'a cable between db1 and db2 beside the switch')
  .option('--semi-sync <mode>', 'off, monitor or manage', 'manage')
  .action(up);
program
  .command('status')
  .description('show what runs where')
  .action(async () => show(await askLab(runningLab(), { request: 'status' })));
program
  .command('exec')
  .description(`run a command on a host (${PLACES.join(', ')})`)
  .argument('<host>')
  .argument('<command...>')
  .passThroughOptions()
  .action(execute);
program
  .command('vipctl')
  .description("run vipctl on a database host, with that host's agent")
  .argument('<host>')
  .argument('[args...]')
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (host: string, args: readonly string[]) => {
    const running = runningLab();
    const reply = await askLab(running, { request: 'status' });
    if (!reply.ok) return fail(reply.text);
    const config = `${reply.directory}/${host}/etc/vipd.yaml`;
    execute(host, [process.execPath, VIPCTL, '--config', config, ...args]);
  });
program
  .command('fault')
  .description('make something go wrong')
  .argument('<name>')
  .argument('[host]', 'db1 or db2')
  .addHelpText('after', faultHelp)
  .action(fault);
program.command('down').description('end the lab; nothing is left of it').action(down);

await program.parseAsync().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
