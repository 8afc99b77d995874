/** Whose rights the agent has, and trying something with them: root may write where the agent may not. */

import { readFileSync } from 'node:fs';
import { accountOf } from '../host/account.js';

export interface AgentUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** As which user the unit runs it; an agent that somebody starts by hand tells by its process. */
const UNIT_USER = 'vipd';

/** Of the agent that runs; else the account of the package. Null: there is neither, and who types this has to do. */
export const agentUser = (agentPid: number | null): AgentUser | null => {
  if (agentPid !== null) return userOfProcess(agentPid);
  const account = accountOf(UNIT_USER);
  return account.kind === 'found' ? { uid: account.uid, gid: account.gid, groups: [account.gid] } : null;
};

/** proc(5): real, effective, saved and file-system ids. Not the owner of /proc/PID, which is root where capabilities came by execve(2). */
const userOfProcess = (pid: number): AgentUser | null => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const numbers = (name: string): readonly number[] =>
      (new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
    const [uid, gid] = [numbers('Uid')[1], numbers('Gid')[1]];
    return uid === undefined || gid === undefined ? null : { uid, gid, groups: numbers('Groups') };
  } catch {
    return null;
  }
};

/** Only root can change; for anybody else, and for an agent of root's, `work` runs as it is. Nothing else may run meanwhile. */
export const asAgent = async <T>(user: AgentUser | null, work: () => T | Promise<T>): Promise<T> => {
  const { geteuid, getegid, getgroups, seteuid, setegid, setgroups } = process;
  if (
    user === null ||
    user.uid === 0 ||
    geteuid?.() !== 0 ||
    !getegid ||
    !getgroups ||
    !seteuid ||
    !setegid ||
    !setgroups
  )
    return work();
  const [gid, groups] = [getegid(), getgroups()];
  setgroups([...user.groups]);
  setegid(user.gid);
  seteuid(user.uid);
  try {
    return await work();
  } finally {
    seteuid(0);
    setegid(gid);
    setgroups(groups);
  }
};
