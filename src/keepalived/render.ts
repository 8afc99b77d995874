/** Writes the draft as vipd.yaml: each key with the lines of keepalived.conf that it comes from, and the rest below. */

import { stringify } from 'yaml';
import { formatDuration } from '../config/duration.js';
import { type Draft, FILL_IN, type HookDraft } from './draft.js';
import type { Section } from './notes.js';
import type { Place } from './source.js';

/** One line of keepalived.conf as the comments tell it. */
export interface Told {
  readonly place: Place;
  readonly section: Section;
  readonly text: string;
  readonly note: string;
}

export interface RenderInput {
  readonly draft: Draft;
  readonly told: readonly Told[];
  readonly path: string;
  /** Path as it stands in comments. */
  readonly display: (file: string) => string;
}

const WIDTH = 118;

export const renderYaml = ({ draft, told, path, display }: RenderInput): string => {
  const comments = (section: Section): readonly string[] =>
    told.filter((line) => line.section === section).flatMap((line) => tell(line, display));
  const lines = [
    ...renderHead(draft, display(path)),
    '',
    ...comments('group'),
    `group: ${flow(draft.group)}`,
    '',
    ...comments('nodes'),
    'nodes:',
    ...draft.nodes.map(({ name, address, priority }) => {
      const node = { address, ...(priority === null ? {} : { priority }) };
      return `  ${flow(name)}: ${flow(node)}`;
    }),
    '',
    ...renderVoters(draft),
    '',
    ...comments('key_file'),
    'key_file: /etc/vipd/key',
    '',
    ...comments('vip'),
    ...(draft.vips.length === 0 ? ['vip: []'] : ['vip:', ...draft.vips.map((vip) => `  - ${flow(vip)}`)]),
    '',
    ...comments('heartbeat'),
    ...renderHeartbeat(draft),
    '',
    ...comments('mysql'),
    'mysql:',
    '  socket: /run/mysqld/mysqld.sock',
    '  defaults_file: /etc/vipd/mysql.cnf',
    ...part(comments('checks'), renderChecks(draft)),
    ...part(comments('hooks'), renderHooks(draft.hooks)),
    ...part(heading('What vipd does by itself, without a key', comments('always')), []),
    ...part(heading('Not carried over', comments('dropped')), []),
  ];
  return `${lines.join('\n')}\n`;
};

const heading = (title: string, comments: readonly string[]): readonly string[] =>
  comments.length === 0 ? [] : [`# ${title}:`, ...comments];

const part = (comments: readonly string[], keys: readonly string[]): readonly string[] =>
  comments.length + keys.length === 0 ? [] : ['', ...comments, ...keys];

/** A value as YAML on one line. */
const flow = (value: unknown): string => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();

/** A list as the examples have it, without blanks inside its brackets. */
const flowList = (values: readonly string[]): string => `[${values.map(flow).join(', ')}]`;

const comment = (text: string, indent = ''): readonly string[] => {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    const long = line.length + 1 + word.length > WIDTH && line !== '#';
    if (long) lines.push(line);
    line = long ? `# ${indent}${word}` : `${line} ${word}`;
  }
  return [...lines, line];
};

const tell = ({ place, text, note }: Told, display: (file: string) => string): readonly string[] =>
  comment(`${display(place.file)}:${place.line} \`${text}\`${note === '' ? '' : `: ${note}`}`, '    ');

const renderHead = ({ todo, witness, gateway }: Draft, path: string): readonly string[] => {
  const steps = [
    ...todo,
    ...(witness === null
      ? [
          `witnesses: a third host that runs \`vipd witness\`; without one, gateways must name a router, and a partition can leave both nodes active`,
        ]
      : ['a witness.yaml on the witness, with this group, both nodes and the key']),
    ...(witness === null && gateway === null
      ? [`gateways: the router's address in place of ${FILL_IN}, or a witness`]
      : []),
    '/etc/vipd/key: made once, the same on all members, mode 0600',
    "/etc/vipd/mysql.cnf: user and password of vipd's account in the database, on each node, mode 0600",
    'mysql.socket, if the server has its socket elsewhere',
  ];
  return [
    `# Made by \`vipctl import\` from ${path}. Every line of that file is named below once: at the key that took it`,
    '# over, or under "Not carried over". The same file serves both nodes. How to change over: docs/coming-from-keepalived.md.',
    '#',
    '# Still to do, before `vipctl check-config` passes on both nodes:',
    ...steps.flatMap((step, index) => comment(`${index + 1}. ${step}`, '   ')),
  ];
};

const renderVoters = ({ witness, gateway }: Draft): readonly string[] => {
  const gateways = witness === null && gateway === null ? [FILL_IN] : gateway === null ? [] : [gateway];
  return [
    ...(witness === null
      ? ['# No witness: a network partition can leave both nodes active.', 'witnesses: []']
      : ['witnesses:', `  - ${flow(witness)}`]),
    ...(gateways.length === 0 ? [] : [`gateways: ${flowList(gateways)}`]),
  ];
};

const renderHeartbeat = ({ heartbeat, paths, nodes }: Draft): readonly string[] => [
  'heartbeat:',
  `  interval: ${formatDuration(heartbeat.intervalMs)}`,
  `  dead_after: ${heartbeat.deadAfter}`,
  ...(paths.length === 0 ? [] : ['  paths:']),
  ...paths.map(([own, peer]) => `    - ${flow({ [nodes[0].name]: own, [nodes[1].name]: peer })}`),
];

const renderChecks = ({ checks }: Draft): readonly string[] => {
  if (checks.length === 0) return [];
  return [
    'checks:',
    ...checks.flatMap(({ name, command, intervalMs, timeoutMs, fall, rise, user }) => [
      `  - name: ${flow(name)}`,
      `    command: ${flowList(command)}`,
      `    interval: ${formatDuration(intervalMs)}`,
      `    timeout: ${formatDuration(timeoutMs)}`,
      `    fall: ${fall}`,
      `    rise: ${rise}`,
      `    user: ${flow(user)}`,
    ]),
  ];
};

/** Hooks are files, so the comment says how to make them; a name with a dot would not run. */
const renderHooks = (hooks: readonly HookDraft[]): readonly string[] => {
  if (hooks.length === 0) return [];
  return [
    '# To be done on both nodes, once the scripts are reviewed (they belong to root, writable by nobody else):',
    ...hooks.flatMap(({ phase, name, command, takesArguments }) => {
      const path = `/etc/vipd/hooks.d/${phase}/${name}`;
      const [only, ...args] = command;
      if (only !== undefined && args.length === 0 && !only.startsWith(`/${FILL_IN}`))
        return [`#   ln -s ${quoted(only)} ${path}`];
      const call = `exec ${command.map(quoted).join(' ')}${takesArguments ? ' "$@"' : ''}`;
      return [`#   printf '%s\\n' '#!/bin/sh' ${quoted(call)} > ${path}; chmod 755 ${path}`];
    }),
    'hooks: { directory: /etc/vipd/hooks.d, timeout: 10s }',
  ];
};

/** As sh(1) reads it back. */
const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
