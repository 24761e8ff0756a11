// The schema that this code is written for.

/** Raised with each new file in migrations/. */
export const SCHEMA = { name: 'directory', migration: 5 } as const
