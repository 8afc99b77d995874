/** A witness's groups with their records, at the start and again at a reload. */

import { compareWitnessConfigs, type Refusal, stillSigns } from '../../config/difference.js';
import { loadWitnessConfig } from '../../config/load.js';
import { renderErrors } from '../../config/problem.js';
import type { WitnessConfig } from '../../config/types.js';
import type { Logger } from '../../host/log.js';
import { createRecordStore } from '../../host/store.js';
import type { WitnessGroup, WitnessServer } from '../../witness/server.js';

export const storeOf = (config: WitnessConfig, group: string) =>
  createRecordStore({ directory: config.stateDirectory, group, voter: config.name });

export const loadGroups = (config: WitnessConfig, log: Logger): Promise<readonly WitnessGroup[]> =>
  Promise.all(
    config.groups.map(async ({ name, nodes, keys }) => {
      const store = storeOf(config, name);
      const loaded = await store.load();
      if (loaded.kind === 'unreadable')
        log.error({ group: name }, `the record ${store.path} is ${loaded.cause}: ${loaded.why}`);
      if (loaded.kind !== 'found') {
        log.warn(
          { group: name },
          `no record: nothing is granted until both nodes told their terms, or \`vipd witness init ${name}\` was run`,
        );
      }
      return { name, nodes, keys, record: loaded.kind === 'found' ? loaded.record : null, save: store.save };
    }),
  );

/** Answers the configuration that is in force afterwards; what was refused is told with the reason. Never rejects. */
export const reloadWitness = async (
  path: string,
  inForce: WitnessConfig,
  server: WitnessServer,
  log: Logger,
): Promise<WitnessConfig> => {
  const refuse = (whys: readonly string[]): WitnessConfig => {
    for (const why of whys) log.error(`the configuration was not reloaded, and the old one stays in force: ${why}`);
    return inForce;
  };
  const loaded = loadWitnessConfig(path);
  if (!loaded.ok) return refuse(renderErrors(loaded.errors).split('\n'));
  const next = loaded.config;
  const { live, refused } = compareWitnessConfigs(inForce, next);
  const all = [...refused, ...orphans(server, next)];
  if (all.length > 0) return refuse(all.map(({ key, why }) => `${key}: ${why}`));
  const known = new Set(inForce.groups.map(({ name }) => name));
  const added = await loadGroups({ ...next, groups: next.groups.filter(({ name }) => !known.has(name)) }, log);
  server.change(new Map(next.groups.map(({ name, keys }) => [name, keys])), added);
  log.info(
    `configuration reloaded; ${live.length === 0 ? 'nothing in it has changed' : `changed: ${live.join(', ')}`}`,
  );
  return next;
};

const orphans = (server: WitnessServer, { groups }: WitnessConfig): readonly Refusal[] =>
  groups.flatMap(({ name, keys }) => {
    const node = server.signsWithout(name, keys);
    return node === null ? [] : [{ key: `groups.${name}.key_file`, why: stillSigns(node) }];
  });
