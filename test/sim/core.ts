/** The core under test: the one this program was built with, or one compiled elsewhere, with a fault planted in it. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { standbyVipUntil } from '../../src/core/standby-vip.js';
import { startNode } from '../../src/core/start.js';
import { step } from '../../src/core/step.js';
import { addressLifetimeSeconds, addressPromiseMs } from '../../src/core/timing.js';
import { wakeAt } from '../../src/core/wake.js';
import { createWitness, stepWitness } from '../../src/core/witness.js';

export interface Core {
  readonly startNode: typeof startNode;
  readonly step: typeof step;
  readonly wakeAt: typeof wakeAt;
  readonly createWitness: typeof createWitness;
  readonly stepWitness: typeof stepWitness;
  /** With `guard: address`: for how long an address is set, and what voters are asked to promise. */
  readonly addressLifetimeSeconds: typeof addressLifetimeSeconds;
  readonly addressPromiseMs: typeof addressPromiseMs;
  readonly standbyVipUntil: typeof standbyVipUntil;
}

export const realCore: Core = {
  startNode,
  step,
  wakeAt,
  createWitness,
  stepWitness,
  addressLifetimeSeconds,
  addressPromiseMs,
  standbyVipUntil,
};

type StartModule = Pick<Core, 'startNode'>;
type StepModule = Pick<Core, 'step'>;
type WakeModule = Pick<Core, 'wakeAt'>;
type WitnessModule = Pick<Core, 'createWitness' | 'stepWitness'>;
type StandbyVipModule = Pick<Core, 'standbyVipUntil'>;
type TimingModule = Pick<Core, 'addressLifetimeSeconds' | 'addressPromiseMs'>;

/** `directory` holds the compiled core: step.js and its neighbours. Rejects as `import()` does. */
export const loadCore = async (directory: string): Promise<Core> => {
  const load = async (name: string): Promise<unknown> =>
    import(/* @vite-ignore */ pathToFileURL(join(directory, name)).href);
  const startModule = (await load('start.js')) as StartModule;
  const stepModule = (await load('step.js')) as StepModule;
  const wakeModule = (await load('wake.js')) as WakeModule;
  const witnessModule = (await load('witness.js')) as WitnessModule;
  const standbyVipModule = (await load('standby-vip.js')) as StandbyVipModule;
  const timingModule = (await load('timing.js')) as TimingModule;
  return {
    startNode: startModule.startNode,
    step: stepModule.step,
    wakeAt: wakeModule.wakeAt,
    createWitness: witnessModule.createWitness,
    stepWitness: witnessModule.stepWitness,
    addressLifetimeSeconds: timingModule.addressLifetimeSeconds,
    addressPromiseMs: timingModule.addressPromiseMs,
    standbyVipUntil: standbyVipModule.standbyVipUntil,
  };
};
