// The conversation of docs/protocol.md §16: fixed values in, frames out, each as text and as bytes.
// Another implementation checks itself against them, so nothing here may depend on chance or time.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import {
  type AccountId,
  type DeviceAddress,
  type Destination,
  Down,
  type Envelope,
  EnvelopeType,
  FIRST_SENT_TAG,
  nextSentTag,
  signedHello,
  StatusState,
  Up,
} from '@twotick/protocol'

const encoder = new TextEncoder()

const alice: DeviceAddress = { accountId: accountOf('0a'), deviceId: 1 }
const bob: DeviceAddress = { accountId: accountOf('0b'), deviceId: 1 }
const audience = '127.0.0.1:8700'
const clientVersion = '0.1.0'
const nonce = new Uint8Array(32).fill(0xaa)
const tag = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const hello = encoder.encode('hello')
const epoch = '0123456789abcdef'
const acceptedAtMs = 1_700_000_000_500

function accountOf(end: string): AccountId {
  return `00000000-0000-4000-8000-0000000000${end}` as AccountId
}

type DownFrame = NonNullable<Down['frame']>
type UpFrame = NonNullable<Up['frame']>

/** Renders the whole section. */
export function conversation(): string {
  const key = keyOfSeed(new Uint8Array(32).fill(1))
  const toSign = signedHello({ audience, nonce }, alice, clientVersion)
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32)
  return [
    'Alice connects. What she signs, her public key, and the frames:\n',
    fenced(['public key', ...wrapped(spaced(publicKey)), 'signed', ...wrapped(spaced(toSign))]),
    down('gateway → Alice', { $case: 'challenge', value: { nonce } }),
    up('Alice → gateway', helloFrame(sign(null, toSign, key))),
    down('gateway → Alice', welcomeFrame()),
    down('gateway → Alice', { $case: 'drained', value: { seq: 0 } }),
    'She sends; the gateway answers once it is committed. That is the first tick:\n',
    up('Alice → gateway', sendFrame()),
    down('gateway → Alice', storedFrame()),
    'Bob, connected likewise, is pushed the entry, makes it durable, and acks it:\n',
    down('gateway → Bob', deliverFrame()),
    up('Bob → gateway', { $case: 'ack', value: { seq: 1, failed: [] } }),
    'That is the second tick. The row is gone. The chain of tags of Alice, from now on, is' +
      ` \`${hex(nextSentTag(FIRST_SENT_TAG, tag))}\`.\n`,
    down('gateway → Alice', deliveredFrame()),
    'Had she missed that, she would have asked:\n',
    up('Alice → gateway', queryFrame()),
    down('gateway → Alice', statusFrame()),
  ].join('\n')
}

function helloFrame(signature: Uint8Array): UpFrame {
  const client = { clientName: 'example', clientVersion, features: [] }
  return { $case: 'hello', value: { address: alice, signature, ...client, audience } }
}

function welcomeFrame(): DownFrame {
  const position = { sentNo: 0, sentTag: FIRST_SENT_TAG, ackedSeq: 0, backlog: 0 }
  const limits = {
    frameBytesMax: 98_304,
    windowEntries: 256,
    windowBytes: 1_048_576,
    silenceMs: 35_000,
    sendsMax: 64,
  }
  const serverTimeMs = 1_700_000_000_000
  return { $case: 'welcome', value: { session: 1, epoch, ...position, limits, serverTimeMs } }
}

function sendFrame(): UpFrame {
  const to: Destination = { to: { $case: 'accountId', value: bob.accountId } }
  const envelope = { rosterVersion: 0, type: EnvelopeType.MESSAGE, lifetimeS: 0 }
  return {
    $case: 'send',
    value: { no: 1, prevNo: 0, tag, to, ...envelope, ciphertext: hello, parts: [] },
  }
}

function storedFrame(): DownFrame {
  return { $case: 'stored', value: { firstNo: 1, lastNo: 1, acceptedAtMs } }
}

function deliverFrame(): DownFrame {
  const envelope: Envelope = {
    sender: alice,
    no: 1,
    to: { to: { $case: 'accountId', value: bob.accountId } },
    type: EnvelopeType.MESSAGE,
    ciphertext: hello,
  }
  const entry = { seq: 1, acceptedAtMs, content: { $case: 'envelope' as const, value: envelope } }
  return { $case: 'deliver', value: { entries: [entry] } }
}

function deliveredFrame(): DownFrame {
  const nos = [{ first: 1, last: 1 }]
  return { $case: 'delivered', value: { recipientAccountId: bob.accountId, nos } }
}

function queryFrame(): UpFrame {
  const recipientAccountId = bob.accountId
  return {
    $case: 'statusQuery',
    value: { queryId: 1, recipientAccountId, items: [{ no: 1, tag }] },
  }
}

function statusFrame(): DownFrame {
  const recipientAccountId = bob.accountId
  return {
    $case: 'status',
    value: { queryId: 1, recipientAccountId, answers: [{ no: 1, state: StatusState.DELIVERED }] },
  }
}

/** An Ed25519 key of a 32-byte seed: the fixed PKCS #8 prefix, then the seed. */
function keyOfSeed(seed: Uint8Array): KeyObject {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })
}

function up(who: string, frame: UpFrame): string {
  return block(who, frame.$case, frame.value, Up.encode({ frame }).finish())
}

function down(who: string, frame: DownFrame): string {
  return block(who, frame.$case, frame.value, Down.encode({ frame }).finish())
}

function block(who: string, name: string, value: object, bytes: Uint8Array): string {
  const title = `${who}  ${pascal(name)}, ${bytes.length} bytes`
  return fenced([title, ...fieldLines(value, '  '), ...wrapped(spaced(bytes))])
}

function fenced(lines: readonly string[]): string {
  return ['```', ...lines, '```', ''].join('\n')
}

/** The fields as protobuf text has them: those that are set, in the proto's names. */
function fieldLines(value: object, indent: string): string[] {
  return Object.entries(value).flatMap(([name, field]) => oneField(snake(name), field, indent))
}

function oneField(name: string, field: unknown, indent: string): string[] {
  if (Array.isArray(field)) return field.flatMap((item) => oneField(name, item, indent))
  if (field instanceof Uint8Array) {
    return field.length === 0 ? [] : [`${indent}${name}: ${hex(field)}`]
  }
  if (typeof field === 'object' && field !== null) {
    if ('$case' in field && 'value' in field && typeof field.$case === 'string') {
      return oneField(snake(field.$case), field.value, indent)
    }
    const inner = fieldLines(field, `${indent}  `)
    return inner.length === 0 ? [] : [`${indent}${name} {`, ...inner, `${indent}}`]
  }
  if (field === 0 || field === '' || field === undefined) return []
  return [`${indent}${name}: ${memberName(name, field) ?? field}`]
}

function memberName(name: string, field: unknown): string | undefined {
  const members = { type: EnvelopeType, state: StatusState }[name]
  return Object.entries(members ?? {}).find(([, number]) => number === field)?.[0]
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function spaced(bytes: Uint8Array): string {
  return hex(bytes).replace(/..(?=.)/g, '$& ')
}

function wrapped(text: string): string[] {
  return text.match(/.{1,96}/g)?.map((line) => `  ${line.trim()}`) ?? []
}
