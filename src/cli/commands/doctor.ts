/** `vipctl doctor`: what the agent will need, tried now. */

import { readFileSync } from 'node:fs';
import { fileDigest } from '../../config/digest.js';
import { loadConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import type { VipdConfig } from '../../config/types.js';
import { request } from '../../control/client.js';
import { STATUS_FORMAT, type Status } from '../../control/status.js';
import type { Finding } from '../../doctor/finding.js';
import { renderFindings } from '../render/findings.js';
import { agentLockPath } from './agent-lock.js';
import { QUESTION_TIMEOUT_MS } from './ask.js';
import { daemonAccounts } from './daemon-accounts.js';
import { EXIT_BAD_CONFIG, EXIT_DONE, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import { findSocket } from './socket-path.js';
import { printLines, type Terminal, viewOf } from './terminal.js';

/** Exit status: the configuration's own where that is invalid. */
export const runDoctor = async (
  terminal: Terminal,
  path: string,
  socket: string | undefined,
  json: boolean,
): Promise<ExitStatus> => {
  const loaded = loadConfig(path, { daemonAccounts: daemonAccounts() });
  if (!loaded.ok) {
    terminal.err(`${renderErrors(loaded.errors)}\n`);
    return EXIT_BAD_CONFIG;
  }
  const { config } = loaded;
  // Loaded here: no other command of vipctl needs netlink, nftables and the database client.
  const { examine } = await import('../../doctor/doctor.js');
  const found = findSocket(socket, path);
  const status = await askStatus(found.ok ? found.path : config.control.socket);
  const agentPid = status === null ? null : readAgentPid(config);
  const findings = await examine({ config, digest: fileDigest(path), status, agentPid });
  return tellFindings(terminal, config, findings, json);
};

/** Exit status: done where there is no fault; refused where there is one. */
export const tellFindings = (
  terminal: Terminal,
  config: VipdConfig,
  findings: readonly Finding[],
  json: boolean,
): ExitStatus => {
  const faults = findings.filter(({ verdict }) => verdict === 'fault').length;
  if (json) terminal.out(`${JSON.stringify(report(config, findings, faults === 0), null, 2)}\n`);
  else printLines(terminal, renderFindings(findings, viewOf(terminal)));
  return faults === 0 ? EXIT_DONE : EXIT_REFUSED;
};

/** The names are an interface, as those of `status --json`. */
const report = ({ group, self }: VipdConfig, findings: readonly Finding[], ok: boolean) => ({
  format: 1,
  group,
  node: self.name,
  ok,
  findings,
});

const askStatus = async (socket: string): Promise<Status | null> => {
  const answer = await request(socket, { request: 'status' }, { timeoutMs: QUESTION_TIMEOUT_MS });
  if (answer.kind !== 'done' || !answer.ok) return null;
  const status = answer.data as Status;
  return status.format === STATUS_FORMAT ? status : null;
};

/** The agent writes its process id into its lock file. */
const readAgentPid = (config: VipdConfig): number | null => {
  try {
    const pid = Number.parseInt(readFileSync(agentLockPath(config), 'utf8'), 10);
    return Number.isNaN(pid) ? null : pid;
  } catch {
    return null;
  }
};
