// Linking and unlinking devices across the directory and the store.

export { type FinishOutcome, finishPending, type LinkingClients } from './finish-pending.ts'
