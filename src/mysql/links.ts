/** The agent's few connections to its server, kept open so that neither a full server nor a handshake stands in a step's way. */

import { openSession, type Session, type Target } from './connection.js';
import type { Credentials } from './credentials.js';
import { detectFlavour } from './detect.js';
import { DatabaseError } from './errors.js';
import type { Flavour } from './flavour.js';

/**
 * monitor: polls. command: runs steps. aside: looks on and kills while `command` waits. writer: the write probe, which may
 * hang by itself. load: what the server is busy with, off every other's way. events: keeps their list, whose commit may wait
 * for the standby.
 */
export type LinkName = 'monitor' | 'command' | 'aside' | 'writer' | 'load' | 'events';

export interface Link {
  readonly session: Session;
  readonly flavour: Flavour;
}

export interface Links {
  /** The open connection, or a new one within `deadlineMs`. @throws DatabaseError */
  get(name: LinkName, deadlineMs: number): Promise<Link>;
  drop(name: LinkName): void;
  /** Log in with these from now on; connections that are open stay. */
  setCredentials(credentials: Credentials): void;
  /** Leave the connection to `work`, and end it with it; the next `get` opens another. */
  release(name: LinkName, work: Promise<unknown>): void;
  close(): void;
}

export interface LinksOptions {
  readonly target: Target;
  readonly credentials: Credentials;
  /** A connection was opened. */
  onOpened(name: LinkName, link: Link): void;
  /** A connection ended that we did not end. */
  onLost(name: LinkName): void;
}

/** One login by itself, with nothing set on it. @throws DatabaseError */
export const openLink = async (target: Target, credentials: Credentials, deadlineMs: number): Promise<Link> => {
  const session = await openSession(target, credentials, deadlineMs);
  try {
    // Asked on every connection: the server behind it may have been upgraded since.
    return { session, flavour: await detectFlavour(session, deadlineMs) };
  } catch (error) {
    session.destroy();
    throw error;
  }
};

export const createLinks = (options: LinksOptions): Links => {
  const open = new Map<LinkName, Link>();
  const opening = new Map<LinkName, Promise<Link>>();
  const released = new Set<Session>();
  let { credentials } = options;
  let closed = false;

  const login = async (name: LinkName, deadlineMs: number): Promise<Link> => {
    const account = credentials;
    const link = await openLink(options.target, account, deadlineMs);
    if (account !== credentials) {
      // Of another account by now: a fence would take it for a client's, and kill it.
      link.session.destroy();
      return login(name, deadlineMs);
    }
    try {
      for (const statement of link.flavour.sessionSetup) await link.session.query(statement, deadlineMs);
      if (closed) throw new DatabaseError('lost', 0, 'the agent is closing its connections');
      open.set(name, link);
      options.onOpened(name, link);
      link.session.onLost(() => {
        if (open.get(name) === link) open.delete(name);
        if (!closed) options.onLost(name);
      });
      return link;
    } catch (error) {
      link.session.destroy();
      throw error;
    }
  };

  const drop = (name: LinkName): void => {
    open.get(name)?.session.destroy();
    open.delete(name);
  };

  return {
    get: (name, deadlineMs) => {
      const link = open.get(name);
      if (link?.session.alive) return Promise.resolve(link);
      open.delete(name);
      const underway = opening.get(name);
      if (underway !== undefined) return underway;
      const attempt = login(name, deadlineMs).finally(() => opening.delete(name));
      opening.set(name, attempt);
      return attempt;
    },
    drop,
    setCredentials: (given) => {
      credentials = given;
    },
    release: (name, work) => {
      const link = open.get(name);
      if (link === undefined) return;
      open.delete(name);
      released.add(link.session);
      const end = () => {
        released.delete(link.session);
        link.session.destroy();
      };
      work.then(end, end);
    },
    close: () => {
      closed = true;
      for (const session of released) session.destroy();
      for (const name of [...open.keys()]) drop(name);
    },
  };
};
