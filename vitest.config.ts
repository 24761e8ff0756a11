import { defineConfig } from 'vitest/config'
import { mutating } from './test/mutants/vitest.ts'

/** Only against hanging: no test is to fail because its machine is ten times slower than usual. */
const HANGS_MS = 120_000

// Only where a container engine is: `npm run test:compose` asks for it, `npm test` does not.
const containers = process.env['TWOTICK_TEST_COMPOSE']
  ? [{ test: { name: 'compose', include: ['test/compose/*.test.ts'], testTimeout: 60_000 } }]
  : []

// Only where a deployment is named: it has all that these tests need.
const deployed = process.env['TWOTICK_TEST_URL']
  ? [{ test: { name: 'deployed', include: ['test/e2e/anywhere.test.ts'], testTimeout: 120_000 } }]
  : []

// Three projects: pure logic beside its file; each service, by its `start`, on real servers; the
// whole relay, driven through SDK devices. Only the last two start servers.
export default defineConfig({
  test: {
    projects: [
      {
        plugins: [mutating()],
        test: {
          name: 'unit',
          include: [
            '{packages,services,clients}/*/src/**/*.test.ts',
            'test/{chaos,docs,ledger,mutants,promise,simulation}/**/*.test.ts',
          ],
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
        },
      },
      {
        plugins: [mutating()],
        test: {
          name: 'services',
          include: ['{packages,services,clients}/*/test/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
          expect: { poll: { timeout: 10_000 } }, // as test/wait.ts
        },
      },
      ...containers,
      ...deployed,
      {
        test: {
          name: 'relay',
          include: ['test/{deploy,e2e,faults,identity,metrics,trace}/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          testTimeout: HANGS_MS,
          hookTimeout: HANGS_MS,
          fileParallelism: false,
        },
      },
    ],
  },
})
