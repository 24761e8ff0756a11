// What must hold, whatever happens: seen at every step, and at the end, when all is at rest. It looks
// at what devices have on their disks and at what is committed, not at what anybody says of it.

import { addressKey, type DeviceAddress } from '@twotick/protocol'
import type { Draft } from '../../services/envelope-store/src/draft.ts'
import type { OutgoingMessage } from '../../clients/sdk/src/storage.ts'
import type { DownFrame } from '../../services/gateway/src/socket.ts'
import type { SimulatedDevice } from './device.ts'
import type { Database } from './postgres.ts'
import { ackedOf } from './rows.ts'
import { senderKey } from './tables.ts'

export type Ledger = ReturnType<typeof createLedger>

export interface LedgerOptions {
  readonly devices: readonly SimulatedDevice[]
  readonly database: Database
  readonly violation: (what: string) => void
  readonly databaseNowMs: () => number
}

export function createLedger({ devices, database, violation, databaseNowMs }: LedgerOptions) {
  /** For whom each send was accepted, as they were listed then. */
  const listed = new Map<string, readonly DeviceAddress[]>()
  const settled = new Map<string, string>()
  const beganAtMs = databaseNowMs()
  let restores = 0

  /** Where each send was appended, by its name and the account. */
  const places = new Map<string, { readonly epoch: string; readonly seq: number }[]>()
  /** Entries that left above cursors: of which devices. */
  const leftAbove = new Map<string, readonly string[]>()
  let lastEpoch = ''

  const find = (key: string) => devices.find(({ name }) => name === key)

  function settle(pair: string, as: string): void {
    const before = settled.get(`${restores} ${pair}`)
    if (before !== undefined) violation(`${pair} is ${as} and was ${before}`)
    settled.set(`${restores} ${pair}`, as)
  }

  function placed(pair: string, place: { epoch: string; seq: number }): void {
    const known = places.get(pair)
    if (known) known.push(place)
    else places.set(pair, [place])
  }

  function left(epoch: string, { accountId, seq }: { accountId: string; seq: number }): void {
    const row = database.tables().mailboxes.get(accountId)
    const above = devices.filter(({ own }) => {
      const acked = own.accountId === accountId && row ? ackedOf(row, own.deviceId) : null
      return acked !== null && acked < seq
    })
    if (above.length === 0) return
    leftAbove.set(
      `${epoch} ${accountId} ${seq}`,
      above.map(({ name }) => name),
    )
  }

  function firstTick(device: SimulatedDevice, lastNo: number, restoresThen: number): void {
    const { accountId, deviceId } = device.own
    const row = database.tables().senders.get(senderKey(accountId, deviceId))
    if (restoresThen === restores && (row?.sent_no ?? 0) < lastNo) {
      violation(`first tick of ${device.name} ${lastNo} before its commit`)
    }
  }

  function secondTick(device: SimulatedDevice, accountId: string, attemptNo: number): void {
    const key = String(attemptNo).padStart(16, '0')
    const attempt = device.disk.read('attempt', key)
    if (!attempt) return
    const message = `${device.name} ${attempt.messageNo}`
    const isHad = devices.some((each) => each.own.accountId === accountId && each.has(message))
    if (!isHad) violation(`second tick of ${message} and no device of ${accountId} has it`)
  }

  return {
    restored() {
      restores += 1
      lastEpoch = ''
    },
    restores: () => restores,

    accepted(sender: string, no: number, to: readonly DeviceAddress[]): void {
      listed.set(`${sender} ${no}`, to)
    },

    committed(epoch: string, draft: Draft): void {
      lastEpoch = epoch
      for (const row of draft.removed) left(epoch, row)
      for (const { name, recipientAccountId } of draft.ticks) {
        if (name) settle(`${addressKey(name.sender)} ${name.no} ${recipientAccountId}`, 'delivered')
      }
      for (const { content, accountId, seq, expiresAtMs } of draft.appended) {
        const { content: what } = content
        if (what?.$case === 'envelope') {
          placed(`${addressKey(what.value.sender!)} ${what.value.no} ${accountId}`, { epoch, seq })
          const acceptedAtMs = (expiresAtMs ?? 0) - LIFETIME_MS
          const isDatabases = acceptedAtMs >= beganAtMs && acceptedAtMs <= databaseNowMs()
          if (!isDatabases) violation(`${what.value.no} was accepted by another clock`)
        }
        if (what?.$case !== 'notice' || !what.value.closing) continue
        const { deviceId, no, recipients } = what.value
        const name = `${addressKey({ accountId, deviceId })} ${no}`
        for (const recipient of recipients) settle(`${name} ${recipient.accountId}`, 'closed')
      }
    },

    said(device: SimulatedDevice, frame: DownFrame, restoresThen: number): void {
      if (frame.$case === 'stored') firstTick(device, frame.value.lastNo, restoresThen)
      if (frame.$case !== 'delivered') return
      for (const { first, last } of frame.value.nos) {
        for (let no = first; no <= last; no += 1) {
          secondTick(device, frame.value.recipientAccountId, no)
        }
      }
    },

    /** When all is at rest. */
    judge(alive: readonly SimulatedDevice[]): void {
      for (const device of devices) {
        const { effects, name } = device
        if (new Set(effects).size < effects.length) violation(`${name} has something twice`)
        if (device.state.stopped === 'forked' && !device.state.isOldCopy)
          violation(`${name} is forked`)
      }
      for (const sender of alive) {
        const messages = sender.messages()
        for (const message of messages) judgeMessage(sender, message, alive)
        for (const device of alive) judgeOrder(sender, messages, device)
      }
      judgeTables(alive)
    },
  }

  function judgeMessage(
    sender: SimulatedDevice,
    message: OutgoingMessage,
    alive: readonly SimulatedDevice[],
  ): void {
    const name = `${sender.name} ${message.no}`
    const { rejection, reach, storedAtMs } = message
    if (rejection) {
      const isHad = devices.some((device) => device.has(name))
      if (isHad && !rejection.maybeStored) violation(`${name} is stored after Rejected`)
      return
    }
    if (storedAtMs === undefined) return violation(`${name} has no answer`)
    for (const [accountId, { at }] of Object.entries(reach)) {
      const isHad = devices.some((each) => each.own.accountId === accountId && each.has(name))
      if (at === 'waiting') violation(`${name} misses the tick of ${accountId}`)
      if (at === 'delivered' && !isHad) violation(`${name} is ticked, and nobody has it`)
    }
    for (const device of alive) {
      if (device.has(name)) continue
      const meant = message.attempts.filter((no) => isFor(sender, no, device))
      if (!meant.every((no) => isAccounted(device, sender, { message, no }))) {
        violation(`${device.name} lost ${name}`)
      }
    }
  }

  /** Whether an attempt was accepted for this device. */
  function isFor(sender: SimulatedDevice, no: number, device: SimulatedDevice): boolean {
    const { accountId, deviceId } = device.own
    const { again } = sender.attempt(no) ?? {}
    if (again && again.accountId !== '' && again.accountId !== accountId) return false
    if (again && again.deviceIds.length > 0 && !again.deviceIds.includes(deviceId)) return false
    const to = listed.get(`${sender.name} ${no}`) ?? []
    return to.some((address) => addressKey(address) === device.name)
  }

  /** Why a device may be without what an attempt was to bring. */
  function isAccounted(
    device: SimulatedDevice,
    sender: SimulatedDevice,
    { message, no }: { message: OutgoingMessage; no: number },
  ): boolean {
    const { accountId } = device.own
    const attempt = `${sender.name} ${no}`
    // It could do nothing with it, and the sender knows that. (A resend is an attempt of its own.)
    const hasFailed = device.failures.has(attempt)
    if (hasFailed && message.resentTo.includes(device.name)) return true
    const at = message.reach[accountId]?.at
    if (at === 'closed' || at === 'rejected') return true
    // It knows of a hole there, and another device of the account can fill it.
    const isKnown = (places.get(`${attempt} ${accountId}`) ?? []).every(({ epoch, seq }) => {
      if (epoch !== lastEpoch) return true
      const above = leftAbove.get(`${epoch} ${accountId} ${seq}`) ?? []
      return above.includes(device.name) && (hasFailed || device.watch.hasMissed(epoch, seq))
    })
    const name = `${sender.name} ${message.no}`
    const siblings = devices.filter(({ own }) => own.accountId === accountId)
    return isKnown && (at === undefined || siblings.some((sibling) => sibling.has(name)))
  }

  /** What was sent once comes in the order sent. */
  function judgeOrder(
    sender: SimulatedDevice,
    messages: readonly OutgoingMessage[],
    device: SimulatedDevice,
  ): void {
    const once = new Set(
      messages.filter(({ no, attempts }) => attempts.join() === String(no)).map(({ no }) => no),
    )
    const came = device.effects
      .filter((effect) => effect.startsWith(`${sender.name} `))
      .map((effect) => Number(effect.split(' ')[1]))
      .filter((no) => once.has(no))
    if (came.some((no, at) => no < (came[at - 1] ?? 0))) {
      violation(`${device.name} has out of order: ${came.join(' ')}`)
    }
  }

  function judgeTables(alive: readonly SimulatedDevice[]): void {
    const { mailboxes, entries } = database.tables()
    for (const [accountId, rows] of entries) {
      if (rows.size > 0) violation(`${rows.size} rows are stuck with ${accountId}`)
    }
    for (const row of mailboxes.values()) {
      for (const deviceId of [row.d1, row.d2, row.d3, row.d4, row.d5]) {
        if (deviceId === null) continue
        const key = addressKey({ accountId: row.account_id, deviceId })
        const isForked = find(key)?.state.stopped === 'forked'
        if (!alive.some(({ name }) => name === key) && !isForked)
          violation(`a cursor is left: ${key}`)
      }
    }
  }
}

export const LIFETIME_MS = 600_000
