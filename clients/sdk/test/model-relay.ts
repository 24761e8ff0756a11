// A relay in memory that keeps design §4 to §7 for a handful of devices: numbers and chain, mailboxes
// and cursors, ticks, notices, missed entries, status answers, epochs. It says what the real one does
// not say on demand: a chosen rejection, a history that is rolled back. It speaks frames to whoever
// gives it a session; tiny-relay.ts puts it on WebSockets. No rates, quotas, types or lifetimes.

import { randomUUID } from 'node:crypto'
import { addressKey, FIRST_SENT_TAG, nextSentTag, NoticeKind } from '@twotick/protocol'
import { RefusalCode, StatusState, type Address, type Conversation } from '@twotick/protocol'
import type { Device, Down, Entry, Envelope, Notice, Send, Up } from '@twotick/protocol'

export type UpFrame = NonNullable<Up['frame']>
export type DownFrame = NonNullable<Down['frame']>
export type Say = (frame: DownFrame) => void

interface Row {
  readonly seq: number
  readonly content: NonNullable<Entry['content']>
  readonly send?: Send
  readonly sender?: Address
  readonly delivered: boolean
  readonly gone: boolean
  /** The devices that it is for, and that have not failed it. */
  readonly slots: readonly number[]
}

export interface DeviceRow {
  readonly address: Address
  readonly publicKey: Uint8Array
  acked: number
  sentNo: number
  sentTag: Uint8Array
  session: number
  pushed: number
  failed: number[] // of all acks
  say?: Say | undefined
}

export interface History {
  readonly mailboxes: Map<string, Row[]>
  readonly devices: Map<string, DeviceRow>
}

export type ModelRelay = ReturnType<typeof createModelRelay>

export function createModelRelay() {
  const conversations = new Map<string, Conversation>()
  let epoch = 'epoch-1'
  let history: History = { mailboxes: new Map(), devices: new Map() }
  const seen = { sends: [] as Send[], queries: 0 }
  const rules = {
    /** Whether a send is rejected, and why. */
    refuse: (_send: Send): RefusalCode | undefined => undefined,
    /** Whether second ticks are pushed. */
    ticks: true,
    sendsMax: 16,
    silenceMs: 35_000,
  }

  const device = (address: Address) => history.devices.get(addressKey(address))
  const devicesOf = (accountId: string) =>
    [...history.devices.values()].filter(({ address }) => address.accountId === accountId)
  const mailbox = (accountId: string) => {
    const rows = history.mailboxes.get(accountId) ?? []
    history.mailboxes.set(accountId, rows)
    return rows
  }

  function append(accountId: string, row: Pick<Row, 'content' | 'send' | 'sender'>): void {
    const rows = mailbox(accountId)
    const slots = devicesOf(accountId).filter((each) => isFor(row, each.address))
    const slotIds = slots.map(({ address }) => address.deviceId)
    rows.push({ ...row, seq: rows.length + 1, delivered: false, gone: false, slots: slotIds })
    devicesOf(accountId).forEach(push)
  }

  function push(to: DeviceRow): void {
    if (!to.say) return
    for (const row of mailbox(to.address.accountId).slice(to.pushed)) {
      const { seq } = row
      to.pushed = seq
      const entry = { seq, acceptedAtMs: 1, content: contentFor(row, to.address) }
      if (row.gone) to.say({ $case: 'missed', value: { firstSeq: seq, lastSeq: seq } })
      else to.say({ $case: 'deliver', value: { entries: [entry] } })
    }
  }

  function onSend(from: DeviceRow, send: Send): void {
    seen.sends.push(send)
    const stored = { firstNo: send.no, lastNo: send.no, acceptedAtMs: 1 }
    if (send.no <= from.sentNo) return from.say?.({ $case: 'stored', value: stored })
    const isNext = send.prevNo === from.sentNo
    const code = isNext ? rules.refuse(send) : RefusalCode.OUT_OF_ORDER
    if (code !== undefined) {
      const value = { no: send.no, code, detail: '', retryAfterMs: 0, roster: undefined }
      return from.say?.({ $case: 'rejected', value })
    }
    from.sentNo = send.no
    from.sentTag = nextSentTag(from.sentTag, send.tag)
    from.say?.({ $case: 'stored', value: stored })
    const { address: sender } = from
    const siblings = devicesOf(sender.accountId).length > 1 ? [sender.accountId] : []
    const value = { sender, no: send.no, to: send.to, type: send.type, ciphertext: send.ciphertext }
    for (const accountId of new Set([...recipientsOf(send, conversations), ...siblings])) {
      append(accountId, { content: { $case: 'envelope', value }, sender, send })
    }
  }

  function onAck(by: DeviceRow, seq: number, failed: readonly number[]): void {
    const { accountId } = by.address
    by.failed.push(...failed)
    if (seq > by.pushed) throw new Error('an ack beyond what was pushed')
    for (const row of mailbox(accountId).slice(by.acked, seq)) {
      const { sender, send } = row
      if (!sender || !send || sender.accountId === accountId || row.gone) continue
      if (!row.slots.includes(by.address.deviceId)) continue
      if (failed.includes(row.seq)) fail(by, row)
      if (failed.includes(row.seq) || row.delivered) continue
      mailbox(accountId)[row.seq - 1] = { ...row, delivered: true }
      const value = { recipientAccountId: accountId, nos: [{ first: send.no, last: send.no }] }
      if (rules.ticks) device(sender)?.say?.({ $case: 'delivered', value })
    }
    by.acked = Math.max(by.acked, seq)
  }

  /** The device's bit leaves; the last one closes the message. */
  function fail({ address }: DeviceRow, row: Row): void {
    const { accountId, deviceId } = address
    const slots = row.slots.filter((each) => each !== deviceId)
    const closing = slots.length === 0 && !row.delivered
    mailbox(accountId)[row.seq - 1] = { ...row, slots, gone: closing }
    const kind = NoticeKind.UNPROCESSABLE
    const recipients = [{ accountId, deviceIds: [deviceId] }]
    if (row.sender && row.send) notify(row.sender, { kind, no: row.send.no, closing, recipients })
  }

  function notify({ accountId, deviceId }: Address, notice: Omit<Notice, 'deviceId'>): void {
    append(accountId, { content: { $case: 'notice', value: { ...notice, deviceId } } })
  }

  function statusOf(asker: DeviceRow, accountId: string, no: number): StatusState {
    const row = mailbox(accountId).find(
      ({ send, sender }) => send?.no === no && isSame(sender, asker.address),
    )
    if (row && !row.delivered && !row.gone) return StatusState.WAITING
    return no <= asker.sentNo ? StatusState.DELIVERED : StatusState.UNKNOWN
  }

  function onFrame(from: DeviceRow, frame: UpFrame): void {
    if (frame.$case === 'send') onSend(from, frame.value)
    if (frame.$case === 'ack') onAck(from, frame.value.seq, frame.value.failed)
    if (frame.$case === 'ping') from.say?.({ $case: 'pong', value: frame.value })
    if (frame.$case === 'statusQuery') {
      seen.queries += 1
      const { queryId, recipientAccountId, items } = frame.value
      const answers = items.map(({ no }) => ({ no, state: statusOf(from, recipientAccountId, no) }))
      from.say?.({ $case: 'status', value: { queryId, recipientAccountId, answers } })
    }
    if (frame.$case !== 'request') return
    const { requestId, body } = frame.value
    const answer = answerRequest(from, body, { conversations, devicesOf })
    from.say?.({ $case: 'response', value: { requestId, body: answer } })
  }

  return {
    ...{ rules, seen, conversations, device, devicesOf, mailbox, onFrame, notify },

    addDevice(publicKey: Uint8Array, accountId: string): Address {
      const isKnown = (row: DeviceRow) => Buffer.from(row.publicKey).equals(publicKey)
      const known = [...history.devices.values()].find(isKnown)
      if (known) return known.address
      const address = { accountId, deviceId: devicesOf(accountId).length + 1 }
      const at = { acked: mailbox(accountId).length, pushed: 0, session: 0, failed: [] }
      const sent = { sentNo: 0, sentTag: FIRST_SENT_TAG }
      history.devices.set(addressKey(address), { address, publicKey, ...at, ...sent })
      return address
    },

    /** Opens a session; the device's former one hears nothing more. */
    open(address: Address, say: Say): void {
      const row = device(address)
      if (!row) throw new Error('there is no such device')
      row.session += 1
      row.say = say
      row.pushed = row.acked
      const head = mailbox(address.accountId).length
      const { session, sentNo, sentTag, acked: ackedSeq } = row
      const limits = { frameBytesMax: 98_304, windowEntries: 256, windowBytes: 1_048_576 }
      const { sendsMax, silenceMs } = rules
      const stand = { session, epoch, sentNo, sentTag, ackedSeq, backlog: head - ackedSeq }
      const value = { ...stand, limits: { ...limits, sendsMax, silenceMs }, serverTimeMs: 1 }
      say({ $case: 'welcome', value })
      push(row)
      say({ $case: 'drained', value: { seq: head } })
    },

    /** An entry leaves; undelivered, its sender gets the closing notice. */
    expire(accountId: string, seq: number): void {
      const row = mailbox(accountId)[seq - 1]
      if (!row?.sender || !row.send || row.gone) return
      mailbox(accountId)[seq - 1] = { ...row, gone: true }
      if (row.delivered || row.sender.accountId === accountId) return
      const recipients = [{ accountId, deviceIds: [] }]
      const base = { kind: NoticeKind.EXPIRED, no: row.send.no, closing: true }
      notify(row.sender, { ...base, recipients })
    },

    /** A copy of a history, by default as it is now, for `restore`. */
    copy: (of = history): History => ({
      mailboxes: new Map([...of.mailboxes].map(([id, rows]) => [id, [...rows]])),
      devices: new Map(
        [...of.devices].map(([key, row]) => [key, { ...row, say: undefined }] as const),
      ),
    }),

    /** Goes back to that copy under a new epoch; every session is gone. */
    restore(to: History, newEpoch: string): void {
      history = to
      epoch = newEpoch
    },
  }
}

function isSame(one: Address | undefined, other: Address): boolean {
  return one !== undefined && addressKey(one) === addressKey(other)
}

function bytesFor(send: Send, own: Address): Uint8Array {
  if (send.parts.length === 0) return send.ciphertext
  const part = send.parts.find(({ address }) => isSame(address, own))
  return part?.ciphertext ?? new Uint8Array()
}

/** An empty part is for nobody: the ack of its device gives no tick. */
function isFor({ send }: Pick<Row, 'send'>, own: Address): boolean {
  return send !== undefined && bytesFor(send, own).length > 0
}

function contentFor({ content, send, sender }: Row, own: Address): Entry['content'] {
  if (content.$case !== 'envelope' || !send) return content
  const ciphertext = isSame(sender, own) ? new Uint8Array() : bytesFor(send, own)
  const value: Envelope = { ...content.value, ciphertext }
  return { $case: 'envelope', value }
}

function recipientsOf({ to }: Send, conversations: ReadonlyMap<string, Conversation>): string[] {
  if (to?.to?.$case === 'accountId') return [to.to.value]
  return conversations.get(to?.to?.value ?? '')?.members.map(({ accountId }) => accountId) ?? []
}

interface Known {
  readonly conversations: Map<string, Conversation>
  readonly devicesOf: (accountId: string) => DeviceRow[]
}

type RequestBody = Extract<UpFrame, { $case: 'request' }>['value']['body']
type ResponseBody = Extract<DownFrame, { $case: 'response' }>['value']['body']

function answerRequest(
  { address }: DeviceRow,
  body: RequestBody,
  { conversations, devicesOf }: Known,
): ResponseBody {
  const listed = (accountId: string) => devicesOf(accountId).map(asListed)
  if (body?.$case === 'lookUp' && devicesOf(body.value.by?.value ?? '').length > 0) {
    const accountId = body.value.by?.value ?? ''
    const base = { accountId, handle: '', rosterVersion: 1, dormant: false }
    const ownDevices = listed(address.accountId)
    return { $case: 'contact', value: { ...base, devices: listed(accountId), ownDevices } }
  }
  if (body?.$case === 'createConversation') {
    const ids = [address.accountId, ...body.value.accountIds]
    const members = ids.map((accountId) => ({
      ...{ accountId, handle: '', devices: listed(accountId), dormant: false },
    }))
    const value = { conversationId: randomUUID(), rosterVersion: 1, members }
    conversations.set(value.conversationId, value)
    return { $case: 'conversation', value }
  }
  const asked = body?.$case === 'getConversation' ? body.value.conversationId : ''
  const value = conversations.get(asked)
  if (value) return { $case: 'conversation', value }
  const refusal = { code: RefusalCode.NOT_FOUND, detail: '', retryAfterMs: 0 }
  return { $case: 'refusal', value: refusal }
}

function asListed({ address, publicKey }: DeviceRow): Device {
  return { address, publicKey, primary: address.deviceId === 1, name: '', seenAtMs: 0 }
}
