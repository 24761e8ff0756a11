// The schema that this code is written for.

/** Raised with each new file in migrations/. */
export const SCHEMA = { name: 'mailbox', migration: 4 } as const
