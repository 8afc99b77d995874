/** Examples and exit statuses of the two programs, as their help and their manual pages show them. */

/** What is typed, and what it is for. */
export type Example = readonly [command: string, meaning: string];
export type ExitMeaning = readonly [status: number, meaning: string];

export const VIPCTL_EXAMPLES: readonly Example[] = [
  ['vipctl status', 'who is active, what is wrong, what to type next'],
  ['vipctl status --watch', 'the same, kept up to date'],
  ['vipctl switchover --dry-run', 'what a planned move would do, and what would stop it'],
  ['vipctl switchover', 'move to the standby'],
  ['vipctl pause --for 30m', 'nothing moves by itself for half an hour'],
  ['vipctl history -n 20', 'the last changes, refusals and steps'],
  ['vipctl divergence', 'what a quarantined node has that the active has not'],
  ['vipctl rejoin --discard', 'rebuild it from the active'],
  ['vipctl replication setup --dry-run', 'what it would take to make a fresh pair replicate'],
  ['vipctl is-active && run-backup', 'only where this node is active'],
];

export const VIPCTL_EXITS: readonly ExitMeaning[] = [
  [0, 'done'],
  [1, 'refused or failed; the reason is on stderr'],
  [2, 'usage'],
  [3, 'no agent answers'],
  [4, 'configuration invalid'],
];

export const VIPD_EXITS: readonly ExitMeaning[] = [
  [0, 'stopped as asked'],
  [1, 'failed; the reason is on stderr'],
  [2, 'usage'],
  [4, 'configuration invalid'],
];

export const renderExamples = (examples: readonly Example[]): string => {
  const width = Math.max(...examples.map(([command]) => command.length));
  return examples.map(([command, meaning]) => `  ${command.padEnd(width)}     ${meaning}`).join('\n');
};

export const renderExits = (exits: readonly ExitMeaning[]): string =>
  exits.map(([status, meaning]) => `  ${status}  ${meaning}`).join('\n');
