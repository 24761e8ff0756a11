import { defineConfig } from 'vitest/config'

// Three projects: pure logic beside its file; each service, by its `start`, on real servers; the
// whole relay, driven through SDK devices. Only the last two start servers.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{packages,services,clients}/*/src/**/*.test.ts',
            'test/{ledger,chaos}/**/*.test.ts',
          ],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'services',
          include: ['{packages,services,clients}/*/test/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'relay',
          include: ['test/{e2e,faults,docs}/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
