// What envelope-store is configured with.

import {
  identityFields,
  listen,
  natsFields,
  oneOf,
  postgresFields,
  text,
  whole,
} from '@twotick/chassis'
import { z } from 'zod'

const MIB = 1_048_576

export const configSchema = z.object({
  postgres: postgresFields({ poolMin: 2 }), // one is the batches'
  nats: natsFields(),
  listen: listen('where envelope-store answers gRPC'),
  service: identityFields(),
  durability: oneOf(
    'what Postgres must be: with a synchronous standby (replicated), or alone (single)',
    ['replicated', 'single'],
    'replicated',
  ),
  sealKeyFile: text(
    'file of the keys that entries are sealed with: `id base64(32 bytes)` lines, or with ` once` behind: copies are sealed once',
  ),
  mailbox: z.object({
    entriesMax: whole('entries that a mailbox holds', { default: 20_000 }),
    bytesMax: whole('bytes that a mailbox holds', { default: 128 * MIB }),
  }),
  batch: z.object({
    itemsMax: whole('appends and acks of one transaction', { default: 1_000, max: 4_000 }),
    bytesMax: whole('ciphertext of one transaction', { default: 8 * MIB }),
  }),
  queue: z.object({
    itemsMax: whole('appends and acks that wait for a transaction', { default: 4_000 }),
    bytesMax: whole('ciphertext that waits for a transaction', { default: 64 * MIB }),
  }),
})

export type Config = z.infer<typeof configSchema>
