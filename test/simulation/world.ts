// The whole relay and its devices as one history sees them, and what a history can do to them.

import type { AccountId, DeviceAddress } from '@twotick/protocol'
import { addressKey } from '@twotick/protocol'
import type { Pending } from '@twotick/protocol/services'
import type { Clock } from './clock.ts'
import { createDevice, type SimulatedDevice } from './device.ts'
import { createDirectory, GROUP_ID } from './directory.ts'
import { count, type Coverage, EFFECTS } from './coverage.ts'
import type { Command, History } from './history.ts'
import { createLanes } from './lanes.ts'
import { createLedger, LIFETIME_MS } from './ledger.ts'
import type { Cut } from './line.ts'
import { createDatabase } from './postgres.ts'
import { createRandom } from './random.ts'
import { createRelay } from './relay.ts'
import { cursorsOf } from './rows.ts'
import { type MailboxRow, putAccount, type Tables } from './tables.ts'

const ACCOUNTS = ['a', 'b', 'c'].map(
  (letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000` as AccountId,
)
const CUTS: readonly Cut[] = ['closed', 'lost', 'silent']
const DEVICES_MAX = 3
const STEPS_MAX = 20_000
const RINGS_MAX = 3_000
const HORIZON_MS = 15 * 60_000

export type World = ReturnType<typeof createWorld>

export function createWorld({ profile, commands }: History, clock: Clock) {
  const coverage: Coverage = new Map()
  const happened = (what: string, times?: number) => count(coverage, what, times)
  const violations: string[] = []
  const devices: SimulatedDevice[] = []
  const lanes = createLanes(clock.rest)
  let skewMs = 3_600_000 // the database's clock is nobody else's
  const databaseNowMs = () => clock.nowMs() + skewMs
  const violation = (what: string) => void violations.push(what)
  const isFine = profile.isFineDatabase
  const database = createDatabase({ lanes, isFine, nowMs: databaseNowMs, violation })
  const ledger = createLedger({ devices, database, violation, databaseNowMs })
  const unlisted = new Set<string>()
  const directory = createDirectory({
    linked(address) {
      happened('linked')
      void admit(address)
    },
    unlisted: (address) => void unlisted.add(addressKey(address)),
  })
  const accountIds = ACCOUNTS.slice(0, profile.isGroup ? 3 : 2)
  const copies: Tables[] = []
  const deviceIds = new Map<AccountId, number>()
  let sent = 0

  const relay = createRelay({
    ...{ lanes, profile, database, directory },
    handed: ({ sender, no }, listed) => sender && ledger.accepted(addressKey(sender), no, listed),
    happened,
    committed(epoch, draft) {
      happened('entries appended', draft.appended.length)
      happened('entries removed', draft.removed.length)
      ledger.committed(epoch, draft)
    },
    bug: (what, error) =>
      violation(`bug: ${what}: ${error instanceof Error ? error.stack : JSON.stringify(error)}`),
  })

  async function admit(own: DeviceAddress): Promise<void> {
    const device = createDevice({
      ...{ own, lanes, profile, relay, violation, restores: ledger.restores },
      said(frame, restores) {
        happened(`said ${frame.$case}`)
        ledger.said(device, frame, restores)
      },
    })
    devices.push(device)
    await device.start()
  }

  /** A device of each account, and two of the second one. */
  async function begin(): Promise<void> {
    for (const accountId of accountIds) {
      const addresses = directory.addAccount(accountId, accountId === ACCOUNTS[1] ? 2 : 1)
      deviceIds.set(accountId, addresses.length)
      putAccount(database.tables(), addresses)
      for (const address of addresses) await admit(address)
    }
    copies.push(database.copy())
    await settle(() => devices.every((device) => device.isConnected()))
  }

  function link(which: number): void {
    const accountId = accountIds[which % accountIds.length]!
    const count = directory.active(accountId).length
    if (count === 0 || count >= DEVICES_MAX) return
    finish(directory.link(accountId, nextDeviceId(accountId)))
  }

  function nextDeviceId(accountId: AccountId): number {
    const deviceId = (deviceIds.get(accountId) ?? 0) + 1
    deviceIds.set(accountId, deviceId)
    return deviceId
  }

  function finish(pending: Pending | undefined): void {
    if (pending) void relay.finish(pending).catch(() => undefined)
  }

  /** The primary is never evicted, so somebody is always left. */
  function evict(device: SimulatedDevice): void {
    if (directory.active(device.own.accountId).length < 2) return
    finish(directory.evict(device.own, nextDeviceId(device.own.accountId)))
  }

  function deleteAccount(which: number): void {
    const left = accountIds.filter((accountId) => directory.active(accountId).length > 0)
    if (left.length > 1) finish(directory.delete(left[which % left.length]!))
  }

  function unlink(which: number): void {
    const device = devices[which % devices.length]
    if (!device || !alive().includes(device) || directory.active(device.own.accountId).length < 2)
      return
    finish(directory.unlink(device.own))
  }

  const alive = () =>
    devices.filter(({ name, state }) => !unlisted.has(name) && state.stopped !== 'forked')

  /** What was left half done, as expiry finishes it. */
  function finishPending(): void {
    for (const pending of directory.pending()) finish(pending)
  }

  async function flow(steps: number, choice: number): Promise<void> {
    const random = createRandom(choice)
    for (let step = 0; step < steps; step += 1) {
      if (!(await lanes.step(random.below(1 << 30)))) return
    }
  }

  async function run({ do: command, who, n }: Command): Promise<void> {
    const device = devices[who % devices.length]!
    const cut = CUTS[n % CUTS.length]!
    if (!EFFECTS.has(command)) happened(command)
    if (command === 'send') {
      const others = accountIds.filter((accountId) => accountId !== device.own.accountId)
      device.send({ account: others[n % others.length]! }, (sent += 1) % 256)
    }
    if (command === 'tell') device.send({ conversation: GROUP_ID }, (sent += 1) % 256)
    if (command === 'flow') await flow((n % 24) + 1, who)
    if (command === 'arrive') await flow(STEPS_MAX, who)
    if (command === 'stall') lanes.stall(n)
    if (command === 'release') lanes.release()
    if (command === 'leave') device.leave(cut)
    if (command === 'come') await device.come()
    if (command === 'cut') device.cut(cut)
    if (command === 'dial') device.redial()
    if (command === 'crash') await device.crash(cut)
    if (command === 'fail') device.state.decodesToFail = 1
    if (command === 'refuse') directory.rules.refuse = 1
    if (command === 'link') link(who)
    if (command === 'evict' && alive().includes(device)) evict(device)
    if (command === 'delete') deleteAccount(who)
    if (command === 'age' && ledger.restores() === 0) await device.goBack(cut)
    if (command === 'repeat-link') relay.repeatLink(n)
    if (command === 'unlink') unlink(who)
    if (command === 'lose') lanes.lose('bus', n)
    if (command === 'double') lanes.double('bus', n)
    if (command === 'drop-bus') relay.dropBus()
    if (command === 'flush') relay.flushPresence()
    if (command === 'break') relay.gateway(who).writes.lose()
    if (command === 'kill-store') relay.killStore(who)
    if (command === 'kill-gateway') killGateway(who)
    if (command === 'break-database') database.breakAll(n % 2 === 0)
    if (command === 'wait') for (let times = 0; times <= n % 4; times += 1) await ring()
    if (command === 'expire') {
      skewMs += LIFETIME_MS + 1
      void relay.sweep().catch(() => undefined)
    }
    if (command === 'sweep') {
      void relay.sweep().catch(() => undefined)
      finishPending()
    }
    if (command === 'copy') {
      copies.push(database.copy())
      for (const each of devices) each.keepCopy()
    }
    if (command === 'restore') restore(n)
    await lanes.rest()
  }

  /** Its devices find out at once, or with their next frame. */
  function killGateway(which: number): void {
    const killed = relay.gateway(which)
    relay.killGateway(which)
    for (const device of devices) if (device.isAt(killed.name)) device.cut('silent')
  }

  function restore(which: number): void {
    // Whoever was linked since is nobody's concern: only copies with the same devices serve.
    const cursors = (tables: Tables) =>
      [...tables.mailboxes.values()].map(({ d1, d2, d3, d4, d5 }) => [d1, d2, d3, d4, d5].join())
    const now = cursors(database.tables()).join(';')
    const same = copies.filter((copy) => cursors(copy).join(';') === now)
    const copy = same[which % Math.max(1, same.length)]
    if (copy === undefined || directory.pending().length > 0) return
    // Where a device was restored as well, nobody can tell.
    if (devices.some(({ state }) => state.isOldCopy)) return
    happened('restore')
    database.restore(copy)
    ledger.restored()
  }

  async function ring(): Promise<void> {
    happened('timers')
    clock.ringNext()
    await lanes.rest()
  }

  function isSettled(): boolean {
    if (!lanes.isEmpty() || directory.pending().length > 0) return false
    const { entries, mailboxes } = database.tables()
    if ([...entries.values()].some((rows) => rows.size > 0)) return false
    // What expired unseen is told as missed once reconciliation has found it.
    const isAtHead = (row: MailboxRow) =>
      cursorsOf(row).every((at) => at === null || at === row.head_seq)
    if (![...mailboxes.values()].every(isAtHead)) return false
    return alive().every(
      (device) =>
        device.isConnected() &&
        !device.isBusy() &&
        device.messages().every(({ doneAtMs }) => doneAtMs),
    )
  }

  const forked = () =>
    devices.filter(
      ({ name, state }) => state.isOldCopy && state.stopped === 'forked' && !unlisted.has(name),
    )
  const hasForked = () => lanes.isEmpty() && forked().length > 0

  async function registerAnew({ own }: SimulatedDevice): Promise<void> {
    finish(directory.link(own.accountId, nextDeviceId(own.accountId)))
    await settle(() => lanes.isEmpty() && directory.pending().length === 0)
    finish(directory.unlink(own))
  }

  function isReplaced(): boolean {
    return lanes.isEmpty() && alive().some(({ state }) => state.stopped === 'replaced')
  }

  /** No more faults: what is under way arrives, and time passes, until nothing is left to do. */
  async function settle(isDone: () => boolean): Promise<void> {
    const untilMs = clock.nowMs() + HORIZON_MS
    for (let rings = 0; rings < RINGS_MAX; rings += 1) {
      for (let steps = 0; steps < STEPS_MAX && (await lanes.step(0)); steps += 1);
      if (isDone() || violations.length > 0) return
      finishPending()
      if (clock.nowMs() > untilMs) return
      await ring()
    }
  }

  async function calm(): Promise<void> {
    lanes.release()
    for (const device of devices) await device.come()
    directory.rules.refuse = 0
    for (const { state } of devices) state.decodesToFail = 0
    // A connection that died in its handshake may be given the later session: the live one is told
    // that it was replaced, and stops. The application opens such a device again.
    await settle(() => isSettled() || isReplaced())
    for (const device of alive()) if (device.state.stopped === 'replaced') await device.reopen()
    await settle(() => isSettled() || hasForked())
    for (const device of forked()) await registerAnew(device)
    await settle(isSettled)
    if (violations.length === 0) ledger.judge(alive())
  }

  return {
    violations,
    coverage,
    /** Plays the history to its end; returns what was violated. */
    async play(): Promise<readonly string[]> {
      await begin()
      for (const command of commands) {
        await run(command)
        if (violations.length > 0) break
      }
      if (violations.length === 0) await calm()
      // Whoever still waits for a signal would keep the whole world in memory.
      happened('steps', lanes.count)
      happened('unlisted', unlisted.size)
      relay.stop()
      await lanes.rest()
      return violations
    },
  }
}
