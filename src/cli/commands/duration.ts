/** Durations on the command line, written as in the configuration. */

import { InvalidArgumentError } from 'commander';
import { formatDuration, parseDuration } from '../../config/duration.js';
import type { Millis } from '../../core/types.js';

/** A commander argument parser; `maxMs` is the longest that the agent takes. */
export const durationUpTo =
  (maxMs: Millis) =>
  (text: string): Millis => {
    const parsed = parseDuration(text);
    if (!parsed.ok) throw new InvalidArgumentError(`${parsed.message}: ${parsed.hint}.`);
    if (parsed.value < 1) throw new InvalidArgumentError('It must be longer than nothing.');
    if (parsed.value > maxMs) throw new InvalidArgumentError(`At most ${formatDuration(maxMs)}.`);
    return parsed.value;
  };
