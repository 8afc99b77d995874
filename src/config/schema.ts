/** Every key of vipd.yaml: its form, default and meaning; the JSON Schema and the reference are made from this. */

import type { z } from 'zod';
import {
  absolutePath,
  account,
  address,
  addressWithPrefix,
  command,
  duration,
  durationOr,
  endpoint,
  integer,
  interfaceName,
  list,
  name,
  named,
  oneOf,
  port,
  section,
  socketPath,
  yesOrNo,
} from './fields.js';
import { keyFile } from './key-file-field.js';

const MS = 1;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Port of the heartbeats, and of witnesses, unless told otherwise. UDP. */
export const HEARTBEAT_PORT = 8694;
/** Port of MySQL and MariaDB. */
const DATABASE_PORT = 3306;

const node = section({
  address: address().describe('Address by which the other members of the group reach this node.'),
  priority: integer(1, 254)
    .prefault(100)
    .describe(
      'The higher one becomes active where neither was active before and their data are equal. It never takes the VIP back.',
    ),
});

const witness = section({
  name: name('witness').describe("The witness's own name, as in its own file."),
  address: address().describe('Where the witness listens.'),
  port: port().prefault(HEARTBEAT_PORT).describe('UDP port on which the witness listens.'),
});

const vip = section({
  address: addressWithPrefix().describe('The virtual address with the prefix length of its network.'),
  interface: interfaceName().describe('Link that carries the address, on both nodes.'),
});

const heartbeat = section({
  port: port().prefault(HEARTBEAT_PORT).describe('UDP port of the heartbeats on both nodes.'),
  interval: duration(10 * MS, 10 * SECOND)
    .prefault('100ms')
    .describe('Time from one heartbeat to the next.'),
  dead_after: integer(2, 100)
    .prefault(3)
    .describe('Silence of this many intervals counts as death; interval times dead_after is the lease.'),
  paths: list(named(name('node'), address(), 'write both nodes with their addresses on that link'), {
    min: 0,
    max: 7,
    hint: 'write a list such as [{ db1: 192.168.99.1, db2: 192.168.99.2 }]',
  })
    .prefault([])
    .describe(
      'Further links between the nodes, say a crossover cable: the address of each node by its name. Heartbeats go over all.',
    ),
});

const databaseCheck = section({
  interval: duration(50 * MS, MINUTE)
    .prefault('1s')
    .describe('Time from one probe of the database to the next.'),
  timeout: duration(10 * MS, MINUTE)
    .prefault('1s')
    .describe('A probe without an answer in this time has failed.'),
  fall: integer(1, 100)
    .prefault(2)
    .describe('This many failed probes in a row make the database failed. A mysqld that is gone counts at once.'),
  rise: integer(1, 100).prefault(2).describe('This many good probes in a row make the database healthy again.'),
  write_probe: yesOrNo()
    .prefault(true)
    .describe('Also write a row on the active, outside of the binary log: a full or frozen disk still answers reads.'),
});

const mysql = section({
  socket: socketPath()
    .optional()
    .describe('Unix socket of the local server; /run/mysqld/mysqld.sock where host is not given either.'),
  host: address()
    .optional()
    .describe('Address of the local server, where it is reached by TCP instead of the socket. Never a VIP.'),
  port: port().prefault(DATABASE_PORT).describe('TCP port of the server on both nodes.'),
  admin_port: port()
    .optional()
    .describe(
      "The server's port for administrators (MySQL admin_port, MariaDB extra_port), used when its connections are exhausted.",
    ),
  defaults_file: absolutePath()
    .prefault('/etc/vipd/mysql.cnf')
    .describe("Credentials of vipd's database user, in my.cnf form under [client]; mode 0600."),
  check: databaseCheck.prefault({}).describe('How the database is probed.'),
  kill_on_hang: yesOrNo()
    .prefault(true)
    .describe('Kill a mysqld that hangs once its VIP has moved: it would commit what it has queued when it wakes.'),
  semi_sync: oneOf(['off', 'monitor', 'manage'])
    .prefault('manage')
    .describe(
      'Semi-synchronous replication: left alone and not looked at, reported only, or switched on and off by vipd as the standby comes and goes. Left alone it is switched off by a salvage, and by a fence that commits hold up which wait for a standby.',
    ),
});

const check = section({
  name: name('check', 32).describe('Shown in status and journal.'),
  command: command().describe(
    'Program and arguments, started without a shell. Exit status 0 is healthy; anything else, a timeout or a failure to start is not.',
  ),
  interval: duration(100 * MS, HOUR)
    .prefault('5s')
    .describe('Time from one run to the next.'),
  timeout: duration(50 * MS, HOUR)
    .prefault('2s')
    .describe('A run that takes longer is killed and has failed.'),
  fall: integer(1, 100).prefault(2).describe('This many failures in a row make the node unhealthy.'),
  rise: integer(1, 100).prefault(1).describe('This many successes in a row make it healthy again.'),
  user: account('user').prefault('nobody').describe('Account the program runs as.'),
});

const fence = section({
  command: command().describe(
    'Cuts off the peer, say its power. Exit status 0 means that it is certainly off. It gets VIPD_PEER and the rest of what hooks get, VIPD_PHASE being pre-takeover.',
  ),
  required: yesOrNo()
    .prefault(false)
    .describe('Take over from a silent peer only once the command has succeeded; else it runs beside the takeover.'),
  timeout: duration(100 * MS, 10 * MINUTE)
    .prefault('20s')
    .describe('A command that takes longer is killed and has failed.'),
});

const moves = section({
  cooldown: duration(0, HOUR)
    .prefault('60s')
    .describe(
      'After a change of roles a health script moves nothing for this long. A dead mysqld or a dead peer does not wait.',
    ),
  max_failovers: integer(1, 100)
    .prefault(3)
    .describe('More failovers than this within the window hold everything until `vipctl resume`.'),
  window: duration(MINUTE, 24 * HOUR)
    .prefault('10m')
    .describe('Time over which failovers are counted.'),
});

const promotion = section({
  catch_up_timeout: duration(SECOND, HOUR)
    .prefault('30s')
    .describe(
      'Time in which received transactions must be applied before a promotion; it begins anew with each progress, and while the server is seen at work on a transaction that takes long.',
    ),
  salvage: yesOrNo()
    .prefault(true)
    .describe(
      "Fetch from the binary logs of the peer's dead server what replication did not deliver, where its agent answers.",
    ),
  max_loss: durationOr('any', 0, 24 * HOUR)
    .prefault('5s')
    .describe(
      'Promote by itself only where at most the commits of this time can be lost; any promotes whatever is lost.',
    ),
});

const rejoin = section({
  stop: command()
    .optional()
    .describe(
      'Stops the local server, for `vipctl rejoin --discard`; /usr/bin/systemctl stop mariadb unless given (MySQL needs none). It returns once the server has ended.',
    ),
  start: command()
    .optional()
    .describe(
      'Starts it again; /usr/bin/systemctl start mariadb (or mysql) unless given. What it leaves running must have a session of its own (setsid).',
    ),
});

const standbyVip = section({
  addresses: list(addressWithPrefix(), { min: 1, max: 8, hint: 'write a list such as [10.99.0.101/24]' }).describe(
    'Addresses for readers, held by the standby; by the active where the standby is not fit.',
  ),
  interface: interfaceName().describe('Link that carries them, on both nodes.'),
  max_lag: duration(SECOND, 24 * HOUR)
    .prefault('10s')
    .describe('A standby further behind than this does not hold them.'),
});

const agents = section({
  port: port().prefault(8695).describe('TCP port between the two agents, for long positions and salvage.'),
});

const hooks = section({
  directory: absolutePath()
    .prefault('/etc/vipd/hooks.d')
    .describe('Holds one directory for each phase: pre-promote, post-promote, pre-demote, post-demote, hold.'),
  timeout: duration(100 * MS, 5 * MINUTE)
    .prefault('10s')
    .describe('A hook that takes longer is killed and has failed.'),
});

const control = section({
  socket: socketPath()
    .prefault('/run/vipd/control.sock')
    .describe('Socket by which vipctl reaches the agent; mode 0660.'),
  group: account('group').prefault('vipd').describe('Members of this group may use vipctl.'),
});

const http = section({
  listen: endpoint(null).describe('Address and TCP port of the HTTP server for health and metrics.'),
});

/** Each key of the file's top level. */
export const vipdShape = {
  group: name('group').describe('Name of the pair; the same on both nodes and on the witnesses.'),
  node: name('node').optional().describe('Name of this node; the host name unless given.'),
  nodes: named(name('node'), node, 'write both nodes: db1: { address: 10.99.0.1 }').describe(
    'The two database hosts by name.',
  ),
  witnesses: list(witness, { min: 0, max: 3, hint: 'write none, one or three witnesses' })
    .prefault([])
    .describe('Voters without data: none, one or three. With one, a partition cannot split the pair.'),
  key_file: keyFile()
    .prefault('/etc/vipd/key')
    .describe(
      "The group's key, mode 0600: one line of base64 or hexadecimal. A list while a key is rotated: the first signs, all verify.",
    ),
  vip: list(vip, {
    min: 1,
    max: 32,
    hint: 'write a list such as [{ address: 10.99.0.100/24, interface: eth0 }]',
  }).describe('The virtual addresses. They move together.'),
  heartbeat: heartbeat.prefault({}).describe('How the members of the group hear each other.'),
  mysql: mysql.prefault({}).describe('The local MySQL or MariaDB server.'),
  checks: list(check, { min: 0, max: 32, hint: 'write a list of checks' })
    .prefault([])
    .describe("Health scripts, besides vipd's own checks of database, links and guard."),
  gateways: list(address(), { min: 0, max: 8, hint: 'write a list of addresses, such as [10.99.0.254]' })
    .prefault([])
    .describe(
      'Hosts asked when the peer is silent, to tell its death from our own isolation. Needed where there is no witness.',
    ),
  fence: fence.optional().describe('A command that cuts off the peer for certain.'),
  guard: oneOf(['nftables', 'address'])
    .prefault('nftables')
    .describe(
      "What shuts the VIP in the kernel when the lease runs out: a packet filter, or the address's own lifetime, which adds two and a half seconds or more to a takeover from a dead host.",
    ),
  moves: moves.prefault({}).describe('Keeps the VIP from moving too often.'),
  promotion: promotion.prefault({}).describe('What a standby must have before it becomes active.'),
  rejoin: rejoin.prefault({}).describe('How `vipctl rejoin --discard`, as root, stops and starts the local server.'),
  standby_vip: standbyVip.optional().describe('Addresses for readers.'),
  agents: agents.prefault({}).describe('Connection between the two agents.'),
  hooks: hooks.prefault({}).describe("The operator's programs at a change of roles."),
  control: control.prefault({}).describe('How vipctl reaches the agent.'),
  http: http.optional().describe('HTTP server; none unless given.'),
  state_directory: absolutePath()
    .prefault('/var/lib/vipd')
    .describe('Term, votes and journal. It must survive a restart of the host.'),
} as const;

export const vipdSchema = section(vipdShape).describe('Configuration of vipd, the agent on a database host.');

/** The file as read: checked key by key, with defaults, in the file's own names. */
export type VipdFile = z.output<typeof vipdSchema>;
