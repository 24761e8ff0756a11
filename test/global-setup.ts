// Once a run: one Postgres with a template database, migrated, which every test file clones. Both
// projects that need servers name this file; whichever comes second gets what the first started.

import type { TestProject } from 'vitest/node'
import { openPostgres, type TestPostgres } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Omit<TestPostgres, 'close'>
  }
}

interface Shared {
  users: number
  postgres: Promise<TestPostgres>
}

// Each project loads this module anew, so what they share hangs on the process.
const holder = globalThis as typeof globalThis & { twotickTestPostgres?: Shared | undefined }

export async function setup(project: TestProject) {
  const shared = (holder.twotickTestPostgres ??= { users: 0, postgres: openPostgres() })
  shared.users++
  const { close, ...provided } = await shared.postgres
  project.provide('postgres', provided)

  return async () => {
    if (--shared.users > 0) return
    holder.twotickTestPostgres = undefined
    await close()
  }
}
