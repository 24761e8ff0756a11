// One envelope on this device: nothing, a message, or a failure. It is applied once under its own
// name and under the original's, if it names one; both are remembered for 60 days.

import { addressKey, isConversationId } from '@twotick/protocol'
import type { Address, Entry, Envelope } from '@twotick/protocol'
import type { Codec, Content } from './codec.ts'
import type { Message, To } from './storage.ts'
import type { Turn } from './turn.ts'

interface ApplyOptions {
  readonly own: Address
  readonly codec: Codec
  readonly now: () => number
}

export type Applied =
  | { readonly as: 'nothing' } // for another device, or known already
  | { readonly as: 'message'; readonly message: Message }
  | { readonly as: 'failure'; readonly sender: Address; readonly cause: Error }

const NOTHING: Applied = { as: 'nothing' }

/** Decides, and drafts the names into the turn; the message or failure is the caller's to draft. */
export async function applyEnvelope(
  turn: Turn,
  envelope: Envelope,
  { acceptedAtMs }: Pick<Entry, 'acceptedAtMs'>,
  { own, codec, now }: ApplyOptions,
): Promise<Applied> {
  const { sender } = envelope
  const isForOthers = envelope.ciphertext.length === 0
  if (!sender || isForOthers || addressKey(sender) === addressKey(own)) return NOTHING
  const name = nameOf(sender, envelope.no)
  if ((await turn.read('applied', name)) !== undefined) return NOTHING
  const content = await decode(codec, envelope, own)
  if (content instanceof Error) return { as: 'failure', sender, cause: content }
  const message = toMessage(envelope, sender, { ...content, acceptedAtMs })
  const originalName = nameOf(message.sender, message.no)
  const isKnown = (await turn.read('applied', originalName)) !== undefined
  turn.put('applied', name, now())
  turn.put('applied', originalName, now())
  return isKnown ? NOTHING : { as: 'message', message }
}

/** The name of a message: its sending device and send number. */
function nameOf(sender: Address, no: number): string {
  return `${addressKey(sender)} ${no}`
}

/** Anyone may name an original of its own account; devices of one account trust each other. */
async function decode(codec: Codec, envelope: Envelope, own: Address): Promise<Content | Error> {
  try {
    const content = await codec.decode(envelope)
    const { accountId: named, conversation } = content.original ?? {}
    if (conversation !== undefined && !isConversationId(conversation)) {
      return new Error('names a conversation that cannot be one')
    }
    const sender = envelope.sender?.accountId
    if (named === undefined || named === sender || sender === own.accountId) return content
    return new Error('names an original of another account')
  } catch (error) {
    return error instanceof Error ? error : new Error('cannot be processed', { cause: error })
  }
}

function toMessage(
  envelope: Envelope,
  sender: Address,
  content: Content & { readonly acceptedAtMs: number },
): Message {
  const { original, body, acceptedAtMs } = content
  const to = fromDestination(envelope.to)
  const base = { type: envelope.type, body, acceptedAtMs }
  if (!original) return { ...base, sender, no: envelope.no, to }
  const { accountId = sender.accountId, deviceId, no, conversation } = original
  return { ...base, sender: { accountId, deviceId }, no, to: conversation ? { conversation } : to }
}

function fromDestination(to: Envelope['to']): To {
  const { $case, value } = to?.to ?? { $case: 'accountId', value: '' }
  return $case === 'accountId' ? { account: value } : { conversation: value }
}
