/** The health scripts that run now: started, and exchanged by difference when the configuration changes. */

import { isDeepStrictEqual } from 'node:util';
import type { CheckConfig } from '../config/types.js';
import type { Instant } from '../core/types.js';
import { createScriptCheck, type ScriptCheck, type ScriptResult } from '../health/script.js';

export interface Checks {
  /** From now on these; one that is as it was runs on undisturbed. */
  readonly change: (checks: readonly CheckConfig[]) => void;
  /** What a script printed last, by its name. */
  readonly outputs: ReadonlyMap<string, string>;
  readonly stop: () => void;
}

interface Running {
  readonly config: CheckConfig;
  check: ScriptCheck | null;
}

export const createChecks = (now: () => Instant, onResult: (result: ScriptResult) => void): Checks => {
  const running = new Map<string, Running>();
  const outputs = new Map<string, string>();

  const start = (entry: Running): void => {
    entry.check = createScriptCheck({
      ...entry.config,
      nowMs: now,
      onResult: (result) => {
        outputs.set(result.name, result.output);
        onResult(result);
      },
    });
  };

  const end = (name: string): Promise<void> => {
    const entry = running.get(name);
    running.delete(name);
    outputs.delete(name);
    return entry?.check?.stop() ?? Promise.resolve();
  };

  return {
    outputs,
    change: (checks) => {
      const wanted = new Map(checks.map((config) => [config.name, config]));
      for (const name of [...running.keys()]) if (!wanted.has(name)) void end(name);
      for (const [name, config] of wanted) {
        if (isDeepStrictEqual(running.get(name)?.config, config)) continue;
        // Two runs of one script must not overlap.
        const ended = end(name);
        const entry: Running = { config, check: null };
        running.set(name, entry);
        void ended.then(() => {
          if (running.get(name) === entry) start(entry);
        });
      }
    },
    stop: () => {
      for (const name of [...running.keys()]) void end(name);
    },
  };
};
