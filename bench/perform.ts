// How each kind of workload is performed. Each one prepares its devices, says when it is ready, and
// is measured from `begin` to what it returns.

import { setTimeout as sleep } from 'node:timers/promises'
import { account, ask, many, receive } from './accounts.ts'
import { createFigures, type Figures, type Measured } from './figures.ts'
import { open, type Target, toAccount } from './load-device.ts'
import { openSender, type Sender } from './sender.ts'
import type { Workload } from './workloads.ts'

export interface Order {
  readonly target: Target
  readonly workload: Workload
  /** In front of the handles, which are the relay's for ever. */
  readonly name: string
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Called when what is measured begins, and the figures so far can be looked at. */
export type Begin = (figures: Figures) => void | Promise<void>

interface Stages {
  readonly begin: Begin
  /** The accounts are there. Resolves when the relay's processes are new, if they are ours. */
  readonly prepared: () => Promise<void>
}

const FIRST_TICKS_AHEAD = 64

export function perform(order: Order, { begin, prepared }: Stages): Promise<Measured> {
  const figures = createFigures()
  switch (order.workload.kind) {
    case 'pairs':
      return performPairs(order, figures, begin)
    case 'group':
      return performGroup(order, figures, begin)
    case 'drain':
      return performDrain(order, figures, begin)
    case 'idle':
      return performIdle(order, figures, { begin, prepared })
  }
}

async function performPairs(order: Order, figures: Figures, begin: Begin): Promise<Measured> {
  const { target, workload, name } = order
  const isClosedLoop = workload.perSecond === 0
  const senders = await many(workload.accounts, async (index) => {
    const from = await account(target, `${name}a${index}`)
    const to = await account(target, `${name}b${index}`, workload.devices)
    for (const device of to.devices) await receive(target, device)
    const [identity] = from.devices
    if (identity === undefined) throw new Error('no device')
    return openSender(target, identity, {
      to: toAccount(to.accountId),
      payloadBytes: workload.payloadBytes,
      figures,
      recipients: 1,
      onDelivered(sender) {
        figures.done()
        if (isClosedLoop) sender.send()
      },
    })
  })
  const stop = isClosedLoop
    ? startLoops(senders, { outstanding: workload.outstanding, warmUpMs: order.warmUpMs })
    : startSchedule(senders, workload.perSecond)
  const measured = await measure(order, figures, begin)
  stop()
  return measured
}

/** A relay that is not warm is not given thousands of messages at once. */
const BEGIN_PER_SECOND = 2_000

/** All have begun after half of the warm-up. */
export function startLoops(
  senders: readonly Sender[],
  { outstanding, warmUpMs }: { outstanding: number; warmUpMs: number },
): () => void {
  const loops = senders.length * outstanding
  const perSecond = Math.max(BEGIN_PER_SECOND, loops / (Math.max(1, warmUpMs) / 2_000))
  const began = performance.now()
  let begun = 0
  const timer = setInterval(() => {
    const due = Math.min(loops, ((performance.now() - began) / 1_000) * perSecond)
    for (; begun < due; begun++) senders[begun % senders.length]?.send()
    if (begun === loops) clearInterval(timer)
  }, 1)
  return () => clearInterval(timer)
}

/**
 * Messages at their times, from one sender after the other, whatever became of those before. Ticks
 * count from when a message was due: a generator that is held up hides nothing.
 */
export function startSchedule(senders: readonly Sender[], perSecond: number): () => void {
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1_000) * perSecond
    for (; sent < due; sent++)
      senders[sent % senders.length]?.send(began + (sent / perSecond) * 1_000)
  }, 1)
  return () => clearInterval(timer)
}

async function performGroup(order: Order, figures: Figures, begin: Begin): Promise<Measured> {
  const { target, workload, name } = order
  const members = await many(workload.accounts, (index) => account(target, `${name}m${index}`))
  const [first, ...others] = members
  const identity = first?.devices[0]
  if (identity === undefined) throw new Error('a group of nobody')
  const accountIds = others.map((member) => member.accountId)
  const value = { requestKey: crypto.getRandomValues(new Uint8Array(16)), accountIds }
  const made = await ask(target, identity, { $case: 'createConversation', value })
  if (made.$case !== 'conversation') throw new Error(`no conversation: ${made.$case}`)
  const { conversationId, rosterVersion } = made.value
  for (const { devices } of others) {
    for (const device of devices) await receive(target, device, (count) => figures.done(count))
  }
  const sender = await openSender(target, identity, {
    to: { to: { $case: 'conversationId', value: conversationId }, rosterVersion },
    payloadBytes: workload.payloadBytes,
    figures,
    recipients: others.length,
    onDelivered: (own) => own.send(),
  })
  const stop = startLoops([sender], { outstanding: workload.outstanding, warmUpMs: order.warmUpMs })
  const measured = await measure(order, figures, begin)
  stop()
  return measured
}

/** Opens a sender, and sends until `count` messages have their first tick. */
export async function sendAll(
  count: number,
  open: (onStored: (count: number) => void) => Promise<Sender>,
): Promise<void> {
  const stored = Promise.withResolvers<undefined>()
  let left = count
  let toSend = count
  const sendMore = (most: number) => {
    for (; most > 0 && toSend > 0; most--, toSend--) sender.send()
  }
  const sender = await open((more) => {
    left -= more
    sendMore(more)
    if (left === 0) stored.resolve(undefined)
  })
  sendMore(FIRST_TICKS_AHEAD)
  await stored.promise
  sender.close()
}

async function performDrain(order: Order, figures: Figures, begin: Begin): Promise<Measured> {
  const { target, workload, name } = order
  const each = Math.ceil(workload.waiting / workload.accounts)
  const recipients = await many(workload.accounts, async (index) => {
    const from = await account(target, `${name}a${index}`)
    const to = await account(target, `${name}b${index}`)
    const [sending, receiving] = [from.devices[0], to.devices[0]]
    if (sending === undefined || receiving === undefined) throw new Error('no device')
    const options = { to: toAccount(to.accountId), payloadBytes: workload.payloadBytes, figures }
    await sendAll(each, (onStored) =>
      openSender(target, sending, { ...options, recipients: 1, onStored }),
    )
    return receiving
  })
  const drained = Promise.withResolvers<undefined>()
  await begin(figures)
  figures.begin()
  void many(recipients.length, (index) => {
    const identity = recipients[index]
    if (identity === undefined) throw new Error('no device')
    return receive(target, identity, (count) => {
      figures.done(count)
      if (figures.total() >= each * recipients.length) drained.resolve(undefined)
    })
  })
  await drained.promise
  return figures.end()
}

/** Of all connections: those that come first, to a new process, and count for nothing. */
const FIRST_TO_CONNECT = 0.1

/**
 * To processes that have not made the accounts: what their memory has grown by then would be there for
 * the connections, which would seem to take nothing.
 */
async function performIdle(
  order: Order,
  figures: Figures,
  { begin, prepared }: Stages,
): Promise<Measured> {
  const { target, workload, name } = order
  const first = Math.ceil(workload.accounts * FIRST_TO_CONNECT)
  const all = first + workload.accounts
  const identities = await many(all, (index) => account(target, `${name}i${index}`))
  await prepared()
  const connect = async (index: number) => {
    const identity = identities[index]?.devices[0]
    if (identity === undefined) throw new Error('no device')
    await open(target, identity, () => undefined)
  }
  await many(first, connect)
  await sleep(order.warmUpMs)
  await begin(figures)
  figures.begin()
  await many(workload.accounts, async (index) => {
    await connect(first + index)
    figures.done()
  })
  const opened = figures.end()
  await sleep(order.measureMs)
  return opened
}

export async function measure(order: Order, figures: Figures, begin: Begin): Promise<Measured> {
  await sleep(order.warmUpMs)
  await begin(figures)
  figures.begin()
  await sleep(order.measureMs)
  return figures.end()
}
