import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConfigFixture, createConfigFixture } from './config.fixture.js';
import { loadConfig, loadWitnessConfig } from './load.js';
import { renderErrors } from './problem.js';
import { MAX_FILE_BYTES } from './source.js';

let fixture: ConfigFixture;

beforeAll(() => {
  fixture = createConfigFixture();
});

afterAll(() => fixture.remove());

/** What an operator reads of this file; the directory is left out, since each run has its own. */
const complaints = (text: string | Buffer): string => {
  const result = loadConfig(fixture.write('vipd.yaml', text), { hostName: 'db1' });
  return result.ok ? 'valid' : renderErrors(result.errors).replaceAll(`${fixture.directory}/`, '');
};

/** The sound file with one part exchanged; fails where the part is not in it. */
const edited = (yaml: string, from: string, to: string): string => {
  expect(yaml).toContain(from);
  return yaml.replace(from, to);
};

describe('one wrong value is told with its line, what is wrong and what would be right:', () => {
  test.each([
    // Names.
    [
      'group: orders\n',
      '',
      'vipd.yaml:1:1: group: is missing; write at most 63 letters, digits, dots, hyphens or underscores, a letter or digit first',
    ],
    [
      'group: orders',
      'group:',
      'vipd.yaml:1:1: group: has no value; write at most 63 letters, digits, dots, hyphens or underscores, a letter or digit first',
    ],
    [
      'group: orders',
      'group: my orders',
      'vipd.yaml:1:8: group: "my orders" cannot be the name of a group; write at most 63 letters, digits, dots, hyphens or underscores, a letter or digit first',
    ],
    [
      'group: orders',
      'group: 7',
      'vipd.yaml:1:8: group: 7 is of the wrong type; write at most 63 letters, digits, dots, hyphens or underscores, a letter or digit first',
    ],
    [
      '  db2: {',
      '  db 2: {',
      'vipd.yaml:5:3: nodes.db 2: "db 2" cannot be the name of a node; write at most 63 letters, digits, dots, hyphens or underscores, a letter or digit first',
    ],
    ['node: db1', 'node: dbl', 'vipd.yaml:2:7: node: "dbl" is not in nodes; did you mean db1?'],
    [
      'name: w1',
      'name: db2',
      'vipd.yaml:7:13: witnesses[0].name: "db2" is a node, and a node cannot vote twice; name a third host',
    ],
    [
      'name: disk',
      'name: links',
      'vipd.yaml:17:11: checks[0].name: "links" is a check of vipd\'s own; choose another name',
    ],
    [
      'name: disk',
      'name: guard',
      'vipd.yaml:17:11: checks[0].name: "guard" is a check of vipd\'s own; choose another name',
    ],
    [
      'checks:\n',
      'checks:\n  - { name: disk, command: [/bin/sh] }\n',
      'vipd.yaml:18:11: checks[1].name: "disk" is also the name of checks[0]; choose another name',
    ],
    [
      'name: disk',
      'name: disk\n    user: 0',
      'vipd.yaml:18:11: checks[0].user: 0 is of the wrong type; write the name of a user, not its number',
    ],
    // Keys.
    [
      'interval: 100ms',
      'intervall: 100ms',
      'vipd.yaml:12:3: heartbeat.intervall: "intervall" is not a known key; did you mean interval?',
    ],
    [
      'dead_after: 3',
      'deadAfter: 3',
      'vipd.yaml:13:3: heartbeat.deadAfter: "deadAfter" is not a known key; did you mean dead_after?',
    ],
    [
      'group: orders',
      'group: orders\ninterval: 100ms',
      'vipd.yaml:2:1: interval: "interval" is not a known key; it belongs under heartbeat or mysql.check',
    ],
    [
      'priority: 90',
      'weight: 90',
      'vipd.yaml:5:30: nodes.db2.weight: "weight" is not a known key; known here: address, priority',
    ],
    [
      'gateways:',
      'constructor: 1\ngateways:',
      'vipd.yaml:19:1: constructor: "constructor" is not a known key; known here: group, node, nodes, witnesses, key_file, vip, heartbeat, mysql, checks, gateways, fence, guard, moves, promotion, rejoin, standby_vip, agents, hooks, control, http, state_directory',
    ],
    [
      'gateways:',
      '__proto__: 1\ngateways:',
      'vipd.yaml:19:1: __proto__: "__proto__" is not a known key; known here: group, node, nodes, witnesses, key_file, vip, heartbeat, mysql, checks, gateways, fence, guard, moves, promotion, rejoin, standby_vip, agents, hooks, control, http, state_directory',
    ],
    // Durations, numbers, words.
    ['interval: 100ms', 'interval: 100', 'vipd.yaml:12:13: heartbeat.interval: 100 has no unit; write 100ms'],
    ['interval: 100ms', 'interval: "100"', 'vipd.yaml:12:13: heartbeat.interval: "100" has no unit; write 100ms'],
    [
      'interval: 100ms',
      'interval: 100msec',
      'vipd.yaml:12:13: heartbeat.interval: "100msec" is not spelt as durations are here; write 100ms',
    ],
    [
      'interval: 100ms',
      'interval: 5ms',
      'vipd.yaml:12:13: heartbeat.interval: "5ms" is out of range; write a duration from 10ms to 10s',
    ],
    [
      'interval: 100ms',
      'interval: [100ms]',
      'vipd.yaml:12:13: heartbeat.interval: a list is of the wrong type; write a duration from 10ms to 10s',
    ],
    [
      'dead_after: 3',
      'dead_after: 1',
      'vipd.yaml:13:15: heartbeat.dead_after: 1 is out of range; write a whole number from 2 to 100',
    ],
    [
      'dead_after: 3',
      'dead_after: 2.5',
      'vipd.yaml:13:15: heartbeat.dead_after: 2.5 is of the wrong type; write a whole number from 2 to 100',
    ],
    [
      'dead_after: 3',
      'dead_after: "3"',
      'vipd.yaml:13:15: heartbeat.dead_after: "3" is of the wrong type; write a whole number from 2 to 100',
    ],
    [
      'priority: 90',
      'priority: 255',
      'vipd.yaml:5:40: nodes.db2.priority: 255 is out of range; write a whole number from 1 to 254',
    ],
    [
      'mysql:\n',
      'mysql:\n  kill_on_hang: yes\n',
      'vipd.yaml:15:17: mysql.kill_on_hang: "yes" is of the wrong type; write true or false',
    ],
    [
      'mysql:\n',
      'mysql:\n  semi_sync: on\n',
      'vipd.yaml:15:14: mysql.semi_sync: "on" is not known here; write one of: off, monitor, manage',
    ],
    [
      'gateways:',
      'promotion: { max_loss: some }\ngateways:',
      'vipd.yaml:19:24: promotion.max_loss: "some" is not a duration; write a whole number with its unit: 100ms, 5s, 10m or 1h',
    ],
    // Sections.
    [
      'group: orders',
      'group: orders\nmoves:',
      'vipd.yaml:2:1: moves: has no value; write a mapping with the keys cooldown, max_failovers, window',
    ],
    [
      '  - { address: 10.99.0.100/24, interface: eth0 }',
      '  address: 10.99.0.100/24\n  interface: eth0',
      'vipd.yaml:10:3: vip: a mapping is of the wrong type; write a list such as [{ address: 10.99.0.100/24, interface: eth0 }]',
    ],
    [
      'vip:\n  - { address: 10.99.0.100/24, interface: eth0 }',
      'vip: []',
      'vipd.yaml:9:6: vip: is an empty list; write a list such as [{ address: 10.99.0.100/24, interface: eth0 }]',
    ],
    [
      'gateways: [10.99.0.254]',
      'gateways: 10.99.0.254',
      'vipd.yaml:19:11: gateways: "10.99.0.254" is of the wrong type; write a list of addresses, such as [10.99.0.254]',
    ],
    // Members.
    [
      '  db2: { address: 10.99.0.2, priority: 90 }\n',
      '',
      'vipd.yaml:4:3: nodes: has 1 node and not two; name both hosts of the pair',
    ],
    [
      '  db2: {',
      '  db3: { address: 10.99.0.9 }\n  db2: {',
      'vipd.yaml:4:3: nodes: has 3 nodes and not two; keep two; a third host can be a witness',
    ],
    [
      '0.3 }\n',
      '0.3 }\n  - { name: w2, address: 10.99.0.4 }\n',
      'vipd.yaml:7:3: witnesses: has 2 witnesses, an even number, which makes two halves possible; keep one, or add a third',
    ],
    [
      'dead_after: 3',
      'paths: [{ db1: 192.168.99.1 }]',
      'vipd.yaml:13:11: heartbeat.paths[0]: has no address for db2; write an address for each of db1, db2',
    ],
    [
      'dead_after: 3',
      'paths: [{ db1: 192.168.99.1, db2: 192.168.99.2, db3: 192.168.99.3 }]',
      'vipd.yaml:13:51: heartbeat.paths[0].db3: "db3" is not in nodes; write an address for each of db1, db2',
    ],
    // Addresses.
    [
      '10.99.0.2,',
      'db2.example.com,',
      'vipd.yaml:5:19: nodes.db2.address: "db2.example.com" is not an address; write an IPv4 or IPv6 address such as 10.99.0.1 or fd00::1',
    ],
    [
      '10.99.0.2,',
      '10.99.0.1,',
      'vipd.yaml:5:19: nodes.db2.address: 10.99.0.1 is also the address of nodes.db1.address; give each its own address',
    ],
    [
      '10.99.0.2,',
      'fe80::2,',
      'vipd.yaml:5:19: nodes.db2.address: fe80::2 is a link-local address; write one that is valid beyond its link\nvipd.yaml:5:19: nodes.db2.address: fe80::2 is IPv6, but nodes.db1.address is IPv4; write addresses of one family; VIPs may be of either',
    ],
    [
      '10.99.0.2,',
      '0.0.0.0,',
      "vipd.yaml:5:19: nodes.db2.address: 0.0.0.0 is the unspecified address; write one host's own address",
    ],
    [
      'address: 10.99.0.3',
      'address: 10.99.0.2',
      'vipd.yaml:7:26: witnesses[0].address: 10.99.0.2 is also the address of nodes.db2.address; give each its own address',
    ],
    [
      '10.99.0.100/24',
      '10.99.0.100',
      'vipd.yaml:10:16: vip[0].address: "10.99.0.100" has no prefix length; write 10.99.0.100/24, or what the network\'s length is',
    ],
    [
      '10.99.0.100/24',
      '10.99.0.100/33',
      'vipd.yaml:10:16: vip[0].address: "10.99.0.100/33" has no valid prefix length; write a number from 1 to 32 after the slash',
    ],
    [
      '10.99.0.100/24',
      '10.99.0.1/24',
      'vipd.yaml:10:16: vip[0].address: 10.99.0.1 is also the address of nodes.db1.address; give each its own address',
    ],
    [
      '10.99.0.100/24',
      '10.99.0.255/24',
      'vipd.yaml:10:16: vip[0].address: 10.99.0.255/24 is the broadcast address of its network; write an address between the first and the last',
    ],
    [
      '10.99.0.100/24',
      '127.0.0.9/8',
      "vipd.yaml:10:16: vip[0].address: 127.0.0.9/8 is a loopback address, which no client reaches; write an address of the clients' network",
    ],
    [
      'interface: eth0',
      'interface: 10.99.0.1',
      'vipd.yaml:10:43: vip[0].interface: "10.99.0.1" is an address; write the interface\'s name, such as eth0; `ip link` lists them',
    ],
    [
      '10.99.0.100/24',
      'eth0',
      'vipd.yaml:10:16: vip[0].address: "eth0" is not an address but looks like a name; write an address with its prefix length, such as 10.99.0.100/24',
    ],
    [
      '[10.99.0.254]',
      '[10.99.0.1]',
      'vipd.yaml:19:12: gateways[0]: 10.99.0.1 is also the address of nodes.db1.address; give each its own address',
    ],
    [
      'mysql:\n',
      'mysql:\n  host: 10.99.0.100\n',
      'vipd.yaml:15:9: mysql.host: 10.99.0.100 is the VIP vip[0].address, behind which either server may be; write 127.0.0.1, or use the socket',
    ],
    [
      'mysql:\n',
      'mysql:\n  host: 10.99.0.2\n',
      'vipd.yaml:15:9: mysql.host: 10.99.0.2 is the address of the other node, db2; write 127.0.0.1, or use the socket',
    ],
    [
      'mysql:\n',
      'mysql:\n  host: 127.0.0.1\n  socket: /run/mysqld/mysqld.sock\n',
      'vipd.yaml:15:9: mysql.host: stands beside socket, and only one of them can be used; remove one of the two',
    ],
    // Ports.
    [
      'mysql:\n',
      'mysql:\n  port: 0\n',
      'vipd.yaml:15:9: mysql.port: 0 is out of range; write a whole number from 1 to 65535',
    ],
    [
      'gateways:',
      'http: { listen: 8694 }\ngateways:',
      'vipd.yaml:19:17: http.listen: 8694 is of the wrong type; write 127.0.0.1:8694',
    ],
    [
      'gateways:',
      'http: { listen: 127.0.0.1:8695 }\ngateways:',
      'vipd.yaml:19:17: http.listen: TCP port 8695 is also that of agents.port; choose another port',
    ],
    // Paths and programs.
    [
      'gateways:',
      'state_directory: state\ngateways:',
      'vipd.yaml:19:18: state_directory: "state" is not an absolute path; write the path from the root, such as /etc/vipd/key',
    ],
    [
      'gateways:',
      'state_directory: /var/../state\ngateways:',
      'vipd.yaml:19:18: state_directory: "/var/../state" has .. in it; write the path it leads to',
    ],
    [
      'mysql:\n',
      `mysql:\n  socket: /${'s'.repeat(107)}\n`,
      'vipd.yaml:15:11: mysql.socket: the path has 108 bytes; write at most 107 bytes',
    ],
    [
      'name: disk\n    command: [',
      'name: disk\n    command: [disk, ',
      'vipd.yaml:18:14: checks[0].command: the program "disk" is not an absolute path; write where it is, from the root',
    ],
    [
      'command: [',
      'command: [7, ',
      'vipd.yaml:18:15: checks[0].command[0]: 7 is of the wrong type; put numbers in quotes',
    ],
    [
      'command: [',
      'command: disk # [',
      'vipd.yaml:18:14: checks[0].command: "disk" is of the wrong type; write a list: [/etc/vipd/checks/disk, /var/lib/mysql]; no shell reads it',
    ],
  ])('%j → %j', (from, to, message) => {
    expect(complaints(edited(fixture.agentYaml, from, to))).toBe(message);
  });
});

describe('times that cannot work together are refused with the reason:', () => {
  test.each([
    [
      'interval: 100ms\n  dead_after: 3',
      'interval: 10ms\n  dead_after: 2',
      'vipd.yaml:13:15: heartbeat.dead_after: 10ms × 2 makes a lease of 20ms; less 1 % for clock drift and 10ms for the guard, 9ms are left, which the next heartbeat could miss; write 3 or more, or a longer heartbeat.interval',
    ],
    [
      'interval: 100ms\n  dead_after: 3',
      'interval: 1s\n  dead_after: 61',
      'vipd.yaml:13:15: heartbeat.dead_after: 1s × 61 makes a lease of 61s, and for so long nobody could take over from a dead host; write at most 60, or a shorter heartbeat.interval',
    ],
    [
      'mysql:\n',
      'mysql:\n  check: { timeout: 2s }\n',
      'vipd.yaml:15:21: mysql.check.timeout: 2s is longer than the interval of 1s, and runs do not overlap; write at most 1s, or a longer interval',
    ],
    [
      'name: disk',
      'name: disk\n    timeout: 6s',
      'vipd.yaml:18:14: checks[0].timeout: 6s is longer than the interval of 5s, and runs do not overlap; write at most 5s, or a longer interval',
    ],
    [
      'gateways:',
      'moves: { cooldown: 10m }\ngateways:',
      'vipd.yaml:19:20: moves.cooldown: 10m is not shorter than the window of 10m, in which max_failovers could then count one move of a health script at most; write less than 10m, or a longer window',
    ],
    [
      'dead_after: 3',
      'dead_after: 100\nmoves: { window: 2m, max_failovers: 12 }',
      'vipd.yaml:14:18: moves.window: 2m has no room for more than 12 failovers of one lease (10s) each, so they would never be too many; write at least 130s, or a smaller max_failovers',
    ],
    [
      'gateways:',
      'promotion: { max_loss: 50ms }\ngateways:',
      'vipd.yaml:19:24: promotion.max_loss: 50ms is shorter than heartbeat.interval (100ms), and a loss is known no finer than that; write 0s, 100ms or more, or any',
    ],
    [
      'gateways:',
      'hooks: { timeout: 10m }\ngateways:',
      'vipd.yaml:19:19: hooks.timeout: "10m" is out of range; write a duration from 100ms to 5m',
    ],
    [
      'gateways:',
      'standby_vip: { addresses: [10.99.0.101/24], interface: eth0, max_lag: 500ms }\ngateways:',
      'vipd.yaml:19:71: standby_vip.max_lag: "500ms" is out of range; write a duration from 1s to 24h',
    ],
  ])('%j → %j', (from, to, message) => {
    expect(complaints(edited(fixture.agentYaml, from, to))).toBe(message);
  });

  test.each([
    ['10ms', 3],
    ['100ms', 2],
    ['10s', 6],
  ])('%s × %i is possible', (interval, deadAfter) => {
    const heartbeat = `interval: ${interval}\n  dead_after: ${deadAfter}\npromotion: { max_loss: any }`;
    expect(complaints(edited(fixture.agentYaml, 'interval: 100ms\n  dead_after: 3', heartbeat))).toBe('valid');
  });
});

describe('a file that is not YAML, or not a configuration, is refused:', () => {
  test.each<[string, string | Buffer, string]>([
    ['nothing in it', '', 'vipd.yaml:1:1: is empty; start from examples/vipd.yaml or examples/witness.yaml'],
    ['comments only', '# later\n', 'vipd.yaml:1:1: is empty; start from examples/vipd.yaml or examples/witness.yaml'],
    ['a list', '- orders\n', 'vipd.yaml:1:1: is a list at its top; write keys with values, such as group: orders'],
    ['a text', 'orders\n', 'vipd.yaml:1:1: is "orders" at its top; write keys with values, such as group: orders'],
    [
      'a tab',
      'heartbeat:\n\tinterval: 100ms\n',
      'vipd.yaml:2:1: is not valid YAML: Tabs are not allowed as indentation; indent with spaces',
    ],
    [
      'a key twice',
      'group: a\ngroup: b\n',
      'vipd.yaml:2:1: the key "group" stands twice in one mapping; keep one of the two',
    ],
    [
      'two documents',
      'group: a\n---\ngroup: b\n',
      'vipd.yaml:2:1: holds more than one YAML document; keep one document; remove the --- between them',
    ],
    [
      'an open bracket',
      'vip: [10.99.0.100/24\n',
      'vipd.yaml:2:1: is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]; close every bracket, and indent what belongs to a key further than the key',
    ],
    [
      'an open quote',
      'group: "a\n',
      'vipd.yaml:2:1: is not valid YAML: Missing closing "quote; close the quotes or brackets',
    ],
    [
      'a colon in a text',
      'group: a: b\n',
      'vipd.yaml:1:8: is not valid YAML: Nested mappings are not allowed in compact mappings; put a text with a colon in quotes, or the inner key on a line of its own',
    ],
    ['a tag', 'group: !name a\n', 'vipd.yaml:1:8: is not valid YAML: Unresolved tag: !name; remove the tag'],
    [
      'an alias of nothing',
      'group: *a\n',
      'vipd.yaml:1:1: is not valid YAML: Unresolved alias (the anchor must be set before the alias): a; write the value out where the alias stands',
    ],
    [
      'bytes that are not UTF-8',
      Buffer.from('group: a\nnode: \xff\n', 'latin1'),
      'vipd.yaml:2:1: is not UTF-8; save the file as UTF-8',
    ],
    [
      'too many bytes',
      Buffer.alloc(MAX_FILE_BYTES + 1, 'x'),
      'vipd.yaml: has 262145 bytes, more than 262144; name the right file',
    ],
    [
      'brackets that never end',
      `a:\n  ${'['.repeat(100_000)}`,
      'vipd.yaml:2:1: nests more than 100 deep; no key of the configuration does',
    ],
    [
      'dashes that never end',
      '- '.repeat(100_000),
      'vipd.yaml:1:1: nests more than 100 deep; no key of the configuration does',
    ],
    [
      'an alias bomb',
      aliasBomb(),
      'vipd.yaml:1:1: is not valid YAML: Excessive alias count indicates a resource exhaustion attack; write the value out where the alias stands',
    ],
  ])('%s', (_, text, message) => {
    expect(complaints(text)).toBe(message);
  });

  test('but an alias of a value is only that value', () => {
    const twice = edited(fixture.agentYaml, 'group: orders', 'group: &name orders').replace(
      'name: disk',
      'name: *name',
    );
    expect(complaints(twice)).toBe('valid');
  });
});

/** Nine levels of nine: 400 million values from 400 bytes. */
function aliasBomb(): string {
  const line = (_: unknown, level: number): string =>
    `a${level}: &a${level} [${Array(9).fill(level === 0 ? 'x' : `*a${level - 1}`)}]`;
  return Array.from({ length: 9 }, line).join('\n');
}

describe('several errors', () => {
  test('are all told, in the order of the file, those between sections too', () => {
    const text = [
      ['group: orders', 'group: my orders'],
      ['10.99.0.2,', '10.99.0.1,'],
      ['100ms', '100'],
      ['dead_after', 'dead_afer'],
      ['name: disk', 'name: links'],
    ].reduce((yaml, [from = '', to = '']) => edited(yaml, from, to), fixture.agentYaml);
    expect(
      complaints(text)
        .split('\n')
        .map((line) => line.split('; ')[0]),
    ).toEqual([
      'vipd.yaml:1:8: group: "my orders" cannot be the name of a group',
      'vipd.yaml:5:19: nodes.db2.address: 10.99.0.1 is also the address of nodes.db1.address',
      'vipd.yaml:12:13: heartbeat.interval: 100 has no unit',
      'vipd.yaml:13:3: heartbeat.dead_afer: "dead_afer" is not a known key',
      'vipd.yaml:17:11: checks[0].name: "links" is a check of vipd\'s own',
    ]);
  });

  test('carry line, column and key on their own for other tools', () => {
    const path = fixture.write('vipd.yaml', edited(fixture.agentYaml, '100ms', '100'));
    expect(loadConfig(path)).toEqual({
      ok: false,
      errors: [
        {
          file: path,
          line: 12,
          column: 13,
          key: 'heartbeat.interval',
          message: '100 has no unit',
          hint: 'write 100ms',
        },
      ],
    });
  });
});

describe('without a witness', () => {
  const alone = (): string =>
    edited(fixture.agentYaml, 'witnesses:\n  - { name: w1, address: 10.99.0.3 }', 'witnesses: []');

  test('gateways are needed', () => {
    expect(complaints(edited(alone(), 'gateways: [10.99.0.254]\n', ''))).toBe(
      'vipd.yaml:1:1: gateways: is needed where there is no witness: nothing else tells a dead peer from our own isolation; write gateways: [10.99.0.254], or better a witness',
    );
  });

  test('a partition is warned of', () => {
    const result = loadConfig(fixture.write('vipd.yaml', alone()));
    expect(result.ok && renderErrors(result.warnings)).toBe(
      `${fixture.path('vipd.yaml')}:6:12: witnesses: is empty, so a network partition can leave both nodes active; run \`vipd witness\` on a third host`,
    );
  });
});

describe('a host whose name is no node', () => {
  test.each([
    ['db1.example.com', 'vipd.yaml:3:3: nodes: the host name "db1.example.com" is none of db1, db2; write node: db1'],
    ['mail', 'vipd.yaml:3:3: nodes: the host name "mail" is none of db1, db2; write node: and one of db1, db2'],
  ])('%s is told to say which it is', (hostName, message) => {
    const path = fixture.write('vipd.yaml', edited(fixture.agentYaml, 'node: db1\n', ''));
    const result = loadConfig(path, { hostName });
    expect(result.ok ? 'valid' : renderErrors(result.errors).replaceAll(`${fixture.directory}/`, '')).toBe(message);
  });
});

describe("a witness's file", () => {
  test.each([
    [
      'nodes: [db1, db2]',
      'nodes: [db1]',
      'w.yaml:5:12: groups[0].nodes: has 1 of at least 2 entries; write the names of both nodes: [db1, db2]',
    ],
    ['nodes: [db1, db2]', 'nodes: [db1, db1]', 'w.yaml:5:18: groups[0].nodes[1]: "db1" stands twice; write both nodes'],
    [
      'nodes: [db1, db2]',
      'nodes: [w1, db2]',
      'w.yaml:5:13: groups[0].nodes[0]: "w1" is the name of this witness, which is no node; write the names of the two database hosts',
    ],
    [
      'listen: 10.99.0.3',
      'listen: w1',
      'w.yaml:2:9: listen: "w1" is not an address with a port; write 10.99.0.3, 10.99.0.3:8694 or [fd00::3]:8694',
    ],
    [
      'listen: 10.99.0.3',
      'vip: []',
      'w.yaml:1:1: listen: is missing; write an address such as 10.99.0.3\nw.yaml:2:1: vip: "vip" is not a known key; known here: name, listen, groups, state_directory',
    ],
  ])('with %j instead of %j is refused', (from, to, message) => {
    const result = loadWitnessConfig(fixture.write('w.yaml', edited(fixture.witnessYaml, from, to)));
    expect(result.ok ? 'valid' : renderErrors(result.errors).replaceAll(`${fixture.directory}/`, '')).toBe(message);
  });

  test('with a group twice is refused', () => {
    const again = `  - { name: orders, nodes: [a, b], key_file: ${fixture.path('key')} }\n`;
    const result = loadWitnessConfig(fixture.write('w.yaml', `${fixture.witnessYaml}${again}`));
    expect(result.ok ? 'valid' : renderErrors(result.errors)).toContain(
      'groups[1].name: "orders" is also the name of groups[0]',
    );
  });
});
