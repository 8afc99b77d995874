import { defineConfig } from 'vitest/config';

// unit: quick, no root, no server. proof: the same, but takes its time. lab: root, real databases and real network namespaces.
const PROOF = ['test/fuzz/**/*.test.ts', 'test/sim/planted.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.lab.test.ts', 'test/scenarios/**', 'node_modules/**', ...PROOF],
          // Nothing here takes more than a few seconds; a busy machine may take ten times as long.
          testTimeout: 60_000,
        },
      },
      { test: { name: 'proof', include: PROOF, testTimeout: 300_000 } },
      {
        test: {
          name: 'lab',
          include: ['src/**/*.lab.test.ts', 'test/**/*.lab.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
