/** What the tests of `vipctl doctor` say again and again: run it on a host of the lab, and look for a cause by its name. */

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import type { Finding } from '../../src/doctor/finding.js';
import { attempt } from '../lab/command.js';
import { type ConfigPart, nodeConfig } from '../lab/host-files.js';
import type { Lab } from '../lab/lab.js';
import { VIPCTL } from '../lab/programs.js';
import { type NodeName, on } from '../lab/topology.js';

export interface Report {
  /** Exit status. */
  readonly status: number;
  /** Faults and warnings. */
  readonly wrong: readonly Finding[];
  readonly findings: readonly Finding[];
}

/** `wrap` is put before the command on that host. */
export const doctor = async (
  lab: Lab,
  node: NodeName,
  config = lab.files[node].config,
  wrap: readonly string[] = [],
): Promise<Report> => {
  const argv = [...on(node), ...wrap, process.execPath, VIPCTL, '--config', config, 'doctor', '--json'];
  const { status, stdout, stderr } = await attempt(argv);
  if (stdout === '') throw new Error(`doctor told nothing: exit status ${status}: ${stderr}`);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
  return { status, findings, wrong: findings.filter(({ verdict }) => verdict === 'fault' || verdict === 'warning') };
};

export const causes = ({ wrong }: Report): readonly string[] => [...new Set(wrong.map(({ check }) => check))].sort();

/** A file of its own, with settings that are not those of the running agent. */
export const written = (lab: Lab, node: NodeName, part: ConfigPart): string => {
  const path = join(dirname(lab.files[node].config), 'other.yaml');
  const config = { ...lab.options.config, ...part };
  writeFileSync(path, stringify(nodeConfig(lab.directory, node, { ...lab.options, config })));
  return path;
};

/** The cause is among what is wrong, with what was tried, what came back, and what to do. */
export const found = (report: Report, cause: string, what: RegExp): void => {
  const finding = report.wrong.find(({ check }) => check === cause);
  expect(finding?.found ?? `no ${cause} among ${causes(report).join(', ')}`).toMatch(what);
  expect(finding?.tried).not.toBe('');
  expect(finding?.remedy).not.toBe('');
};
