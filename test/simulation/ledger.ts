// What must hold, whatever happens: seen at every step, and at the end, when all is at rest. It looks
// at what devices have on their disks and at what is committed, not at what anybody says of it.

import { addressKey, type DeviceAddress } from '@twotick/protocol'
import type { Draft } from '../../services/envelope-store/src/draft.ts'
import type { OutgoingMessage } from '../../clients/sdk/src/storage.ts'
import type { DownFrame } from '../../services/gateway/src/socket.ts'
import type { SimulatedDevice } from './device.ts'
import type { Database } from './postgres.ts'
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

  const find = (key: string) => devices.find(({ name }) => name === key)
  const has = (device: SimulatedDevice, message: string) => device.effects.includes(message)

  function settle(pair: string, as: string): void {
    const before = settled.get(`${restores} ${pair}`)
    if (before !== undefined) violation(`${pair} is ${as} and was ${before}`)
    settled.set(`${restores} ${pair}`, as)
  }

  function firstTick(device: SimulatedDevice, lastNo: number): void {
    const { accountId, deviceId } = device.own
    const row = database.tables().senders.get(senderKey(accountId, deviceId))
    const isOld = device.watch.restores() !== restores
    if (!isOld && (row?.sent_no ?? 0) < lastNo) {
      violation(`first tick of ${device.name} ${lastNo} before its commit`)
    }
  }

  function secondTick(device: SimulatedDevice, accountId: string, attemptNo: number): void {
    const key = String(attemptNo).padStart(16, '0')
    const attempt = device.disk.read('attempt', key)
    if (!attempt) return
    const message = `${device.name} ${attempt.messageNo}`
    const isHad = devices.some((each) => each.own.accountId === accountId && has(each, message))
    if (!isHad) violation(`second tick of ${message} and no device of ${accountId} has it`)
  }

  return {
    restored: () => void (restores += 1),
    restores: () => restores,

    accepted(sender: string, no: number, to: readonly DeviceAddress[]): void {
      listed.set(`${sender} ${no}`, to)
    },

    committed(draft: Draft): void {
      for (const { name, recipientAccountId } of draft.ticks) {
        if (name) settle(`${addressKey(name.sender)} ${name.no} ${recipientAccountId}`, 'delivered')
      }
      for (const { content, accountId, expiresAtMs } of draft.appended) {
        const { content: what } = content
        if (what?.$case === 'envelope') {
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

    said(device: SimulatedDevice, frame: DownFrame): void {
      if (frame.$case === 'stored') firstTick(device, frame.value.lastNo)
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
        if (device.state.stopped === 'forked') violation(`${name} is forked`)
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
      const isHad = devices.some((device) => has(device, name))
      if (isHad && !rejection.maybeStored) violation(`${name} is stored after Rejected`)
      return
    }
    if (storedAtMs === undefined) return violation(`${name} has no answer`)
    for (const [accountId, { at }] of Object.entries(reach)) {
      const isHad = devices.some((each) => each.own.accountId === accountId && has(each, name))
      if (at === 'waiting') violation(`${name} misses the tick of ${accountId}`)
      if (at === 'delivered' && !isHad) violation(`${name} is ticked, and nobody has it`)
    }
    const first = message.attempts[0] ?? message.no
    for (const to of listed.get(`${sender.name} ${first}`) ?? []) {
      const device = alive.find((each) => each.name === addressKey(to))
      if (device && !isAccounted(device, name, message)) violation(`${device.name} lost ${name}`)
    }
  }

  function isAccounted(device: SimulatedDevice, name: string, { reach }: OutgoingMessage): boolean {
    if (has(device, name) || device.failures.length > 0) return true
    const at = reach[device.own.accountId]?.at
    if (at === 'closed' || at === 'rejected') return true
    const siblings = devices.filter(({ own }) => own.accountId === device.own.accountId)
    const isOwn = at === undefined
    return device.watch.hasGap() && (isOwn || siblings.some((sibling) => has(sibling, name)))
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
