/** The start of a channel outside of an agent's steps: by the commands that an operator types. */

import type { Outcome } from '../core/event.js';
import type { Link } from './links.js';
import { openReverse } from './replica.js';
import type { StepContext } from './step.js';

/** `aside` takes a statement of `command` back that waits too long. What comes of it was judged before. */
export const startByHand = (
  command: Link,
  aside: Link,
  login: StepContext['login'],
  signal: AbortSignal,
  nowMs: () => number,
): Promise<Outcome> =>
  openReverse({
    flavour: command.flavour,
    command: command.session,
    aside: aside.session,
    login,
    signal,
    vipMayBeOn: false,
    leavesSemiSync: true,
    sourceSilent: false,
    nowMs,
    cpuMs: () => null,
    progress: () => undefined,
    leaveBehind: () => undefined,
    receiverStopping: null,
    leaveStopping: () => undefined,
  });
