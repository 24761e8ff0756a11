// The limits of docs/protocol.md §15 against the code that keeps them.

import { readFile } from 'node:fs/promises'
import { describeConfig } from '@twotick/chassis'
import { EnvelopeType, RefusalCode } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { configSchema } from '../../services/gateway/src/config.ts'
import { FRAME_BYTES_MAX } from '../../services/gateway/src/socket.ts'
import { configSchema as validationSchema } from '../../services/metadata-validation/src/config.ts'
import { judgeShape } from '../../services/metadata-validation/src/policy.ts'

const KIB = 1024
const DAY_S = 24 * 60 * 60

async function protocolLimits(): Promise<string> {
  const text = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
  return text.slice(text.indexOf('## 15.'), text.indexOf('## 16.'))
}

/** The right-hand cells of the table, by the left-hand ones. */
async function limits(): Promise<Map<string, string>> {
  return new Map(
    [...(await protocolLimits()).matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(
      ([, what = '', value = '']) => [what.trim(), value.trim()],
    ),
  )
}

test('the limits that Welcome tells are the gateway’s defaults', async () => {
  // Goal: a client that is built for these numbers meets them.
  const rows = describeConfig(configSchema)
  const standard = (variable: string) =>
    Number(rows.find((row) => row.variable === `TWOTICK_${variable}`)?.default)
  const table = await limits()
  expect(FRAME_BYTES_MAX).toBe(96 * KIB)
  expect(table.get('frame')).toBe('96 KiB (`frame_bytes_max`)')
  expect(standard('WINDOW_ENTRIES_MAX')).toBe(256)
  expect(standard('WINDOW_BYTES_MAX')).toBe(KIB * KIB)
  expect(table.get('pushed and not acked')).toBe(
    '256 entries (`window_entries`), 1 MiB (`window_bytes`)',
  )
  expect(table.get('silence')).toBe(`${standard('SILENCE_MS') / 1_000} s (\`silence_ms\`)`)
  expect(table.get('sends without an answer')).toBe(`${standard('SENDS_MAX')} (\`sends_max\`)`)
  expect(table.get('handshake; life of a nonce')).toMatch(`${standard('HANDSHAKE_MS') / 1_000} s`)
})

const MESSAGE_LIKE = { what: '`MESSAGE`, `KEYS`', bytes: 64 * KIB, lifetimeS: 30 * DAY_S }

test.each([
  { type: EnvelopeType.MESSAGE, ...MESSAGE_LIKE, shown: '64 KiB, 30 days' },
  { type: EnvelopeType.KEYS, ...MESSAGE_LIKE, shown: '64 KiB, 30 days' },
  {
    type: EnvelopeType.RECEIPT,
    what: '`RECEIPT`',
    bytes: 4 * KIB,
    lifetimeS: 30 * DAY_S,
    shown: '4 KiB, 30 days',
  },
  {
    type: EnvelopeType.CALL,
    what: '`CALL`',
    bytes: 16 * KIB,
    lifetimeS: 60,
    shown: '16 KiB, 60 s',
  },
])('type $type has the bounds of the table', async ({ type, what, bytes, lifetimeS, shown }) => {
  // Goal: at the bound it is taken, beyond it is refused with the code for it.
  expect((await limits()).get(what)).toBe(shown)
  const judge = (over: { bytes?: number; lifetimeS?: number }) =>
    judgeShape({ type, bytes, lifetimeS, isSignal: false, ...over }).refusal?.code
  expect(judge({})).toBeUndefined()
  expect(judge({ bytes: bytes + 1 })).toBe(RefusalCode.TOO_LARGE)
  expect(judge({ lifetimeS: lifetimeS + 1 })).toBe(RefusalCode.LIFETIME_OUT_OF_BOUNDS)
})

/** `4194304+512/s` as the page writes it: `4 MiB, then 512/s`. */
function rateText(standard: string, write: (amount: number) => string): string {
  const rates = standard.split(',').map((rate) => {
    const [burst = '', perSecond = ''] = rate.replace('/s', '').split('+')
    return `${write(Number(burst))}, then ${write(Number(perSecond))}/s`
  })
  return rates.join('; and ')
}

const inMessages = (count: number) => count.toLocaleString('en')

function inBytes(bytes: number): string {
  if (bytes % (KIB * KIB) === 0) return `${bytes / KIB / KIB} MiB`
  return bytes % KIB === 0 ? `${bytes / KIB} KiB` : `${bytes}`
}

test('the rates of the table are the defaults', async () => {
  // Goal: who builds an application knows what it may send.
  const rows = describeConfig(validationSchema)
  const standard = (name: string) =>
    rows.find((row) => row.variable === `TWOTICK_RATE_${name}`)?.default ?? ''
  const messages = (name: string) => rateText(standard(name), inMessages)
  const bytes = (name: string) => rateText(standard(name), inBytes)
  const text = await protocolLimits()
  for (const row of [
    `${messages('PAIR_MESSAGES')} | ${bytes('PAIR_BYTES')}`,
    `${messages('SENDER_MESSAGES')}; times recipients ${messages('SENDER_RECIPIENTS')} | times recipients ${bytes('SENDER_BYTES')}`,
    `${messages('RECIPIENT_MESSAGES')} | ${bytes('RECIPIENT_BYTES')}`,
  ]) {
    expect(text).toContain(`| ${row} |`)
  }
})
