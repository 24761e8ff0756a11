import { identityFields, target, whole } from '@twotick/chassis'
import { z } from 'zod'

export const configSchema = z.object({
  store: z.object({ target: target('envelope-store') }),
  validation: z.object({ target: target('metadata-validation') }),
  service: identityFields(),
  sweepIntervalMs: whole('between two rounds through all mailboxes', { default: 60_000 }),
  sweepMailboxesMax: whole('mailboxes that one call looks at', { default: 500, max: 1_000 }),
  sweepEntriesMax: whole('entries that one call removes', { default: 500, max: 500 }),
  unlinkIntervalMs: whole('between two looks for what was left half done', { default: 5_000 }),
  unlinkAgeMs: whole('after which a link or an unlink counts as left half done', {
    default: 10_000,
  }),
  unlinkPendingMax: whole('links and unlinks that one look takes on', { default: 200, max: 1_000 }),
})

export type Config = z.infer<typeof configSchema>
