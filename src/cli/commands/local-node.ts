/** What commands that work on this host's own server need: root, the configuration, a login, and what the agent knows. */

import { hostname } from 'node:os';
import { loadConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import type { VipdConfig } from '../../config/types.js';
import { request } from '../../control/client.js';
import { type NodeStatus, STATUS_FORMAT, type Status } from '../../control/status.js';
import type { Target } from '../../mysql/connection.js';
import { type Credentials, loadCredentials } from '../../mysql/credentials.js';
import { createLinks, type Link, type LinkName } from '../../mysql/links.js';
import { localTarget, peerTarget } from '../../mysql/target.js';
import { QUESTION_TIMEOUT_MS } from './ask.js';
import { daemonAccounts } from './daemon-accounts.js';
import { EXIT_BAD_CONFIG, EXIT_NO_AGENT, EXIT_REFUSED, type ExitStatus } from './exit-status.js';
import type { Terminal } from './terminal.js';

/** What an operator is told, and the status to exit with. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    message: string,
    readonly status: ExitStatus = EXIT_REFUSED,
  ) {
    super(message);
  }
}

export interface NodeContext {
  readonly terminal: Terminal;
  readonly socket: string;
  readonly configPath: string;
}

export interface LocalNode {
  readonly config: VipdConfig;
  readonly credentials: Credentials;
  /** A login at the local server as the agent's user, the same one while it lives. @throws DatabaseError */
  link(name?: LinkName): Promise<Link>;
  /** The same at the other node's server, from here. @throws DatabaseError */
  peerLink(): Promise<Link>;
  /** As the agent tells it. @throws CommandError */
  status(): Promise<Status>;
  close(): void;
}

/** For a server that is just coming up, too. */
const LOGIN_MS = 5_000;

/** `what`: the command, for messages. @throws CommandError */
export const openLocalNode = async (what: string, configPath: string, socket: string): Promise<LocalNode> => {
  if (process.geteuid?.() !== 0)
    throw new CommandError(`${what} reads the server's own files, so only root may use it: sudo vipctl ${what}`);
  const loaded = loadConfig(configPath, { hostName: hostname(), daemonAccounts: daemonAccounts() });
  if (!loaded.ok) throw new CommandError(renderErrors(loaded.errors), EXIT_BAD_CONFIG);
  const { config } = loaded;
  const credentials = await loadCredentials(config.mysql.defaultsFile);
  const open = (target: Target) =>
    createLinks({ target, credentials, onOpened: () => undefined, onLost: () => undefined });
  const links = open(localTarget(config));
  const peer = open(peerTarget(config));
  return {
    config,
    credentials,
    link: (name = 'command') => links.get(name, LOGIN_MS),
    peerLink: () => peer.get('command', LOGIN_MS),
    status: () => askStatus(socket),
    close: () => {
      links.close();
      peer.close();
    },
  };
};

/** How programs of the server log in as the agent does. */
export const agentLogin = ({ config, credentials }: LocalNode) => ({ target: localTarget(config), credentials });

const askStatus = async (socket: string): Promise<Status> => {
  const answer = await request(socket, { request: 'status' }, { timeoutMs: QUESTION_TIMEOUT_MS });
  if (answer.kind === 'no-agent') throw new CommandError(answer.text, EXIT_NO_AGENT);
  if (answer.kind !== 'done' || !answer.ok) throw new CommandError(answer.text);
  if (!isStatus(answer.data))
    throw new CommandError(
      `the agent's status is not of format ${STATUS_FORMAT}: agent and vipctl are of different versions`,
    );
  return answer.data;
};

/** The agent is ours: its word for the format is enough. */
export const isStatus = (data: unknown): data is Status =>
  typeof data === 'object' && data !== null && 'format' in data && data.format === STATUS_FORMAT;

export interface Standing {
  readonly self: NodeStatus;
  readonly active: NodeStatus;
}

/** This node as a standby, and the active it is compared with. @throws CommandError that says what stands in the way */
export const standingOf = (status: Status, what: string): Standing => {
  const self = status.nodes.find((node) => node.self);
  const other = status.nodes.find((node) => !node.self);
  if (self === undefined || other === undefined) throw new CommandError('the status names no two nodes');
  if (self.active || self.role !== 'standby')
    throw new CommandError(`${what} is for a standby, and ${self.name} is ${self.role}: type it on ${other.name}`);
  if (!other.agent.reachable || !other.active)
    throw new CommandError(
      `${other.name} is not active, or was not heard; there is nothing to compare ${self.name} with`,
    );
  return { self, active: other };
};
