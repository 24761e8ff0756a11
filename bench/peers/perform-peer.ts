// The workloads on a broker: as perform.ts has them on the relay.

import { setTimeout as sleep } from 'node:timers/promises'
import { many } from '../accounts.ts'
import { createFigures, type Figures, type Measured } from '../figures.ts'
import { type Begin, measure, type Order, sendAll, startLoops, startSchedule } from '../perform.ts'
import { createSender, type Sender, type SenderOptions } from '../sender.ts'
import { createJetStream } from './jetstream.ts'
import { createMosquitto } from './mosquitto.ts'
import { payloadOf, type Peer, type PeerName } from './peer.ts'

export interface PeerOrder extends Order {
  readonly peer: PeerName
}

/** What all of a run's parts go by. */
interface Run {
  readonly peer: Peer
  readonly order: PeerOrder
  readonly figures: Figures
  readonly begin: Begin
}

const CREATE = { jetstream: createJetStream, mosquitto: createMosquitto }

export async function performPeer(order: PeerOrder, begin: Begin): Promise<Measured> {
  const peer = CREATE[order.peer](order.target.url)
  await peer.prepare()
  const run = { peer, order, begin, figures: createFigures() }
  switch (order.workload.kind) {
    case 'pairs':
      return performPairs(run)
    case 'group':
      return performGroup(run)
    case 'drain':
      return performDrain(run)
    case 'idle':
      return performIdle(run)
  }
}

/** A sender to one topic. */
async function openSender(
  { peer, order, figures }: Run,
  name: string,
  { topic, ...options }: Omit<SenderOptions, 'to' | 'payloadBytes' | 'figures'> & { topic: string },
): Promise<Sender> {
  const { payloadBytes } = order.workload
  const sender = createSender({ ...options, figures }, () => ({
    put: (no) => line.put(topic, no, payloadOf(payloadBytes, no, name)),
    close: line.close,
  }))
  const line = await peer.sender(name, () => sender)
  return sender
}

async function performPairs(run: Run): Promise<Measured> {
  const { peer, order, figures, begin } = run
  const { workload, name } = order
  const isClosedLoop = workload.perSecond === 0
  const senders = await many(workload.accounts, async (index) => {
    const topic = `${name}b${index}`
    await peer.mailbox(topic, topic)
    await peer.receive(topic, topic, () => undefined)
    return openSender(run, `${name}a${index}`, {
      topic,
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

async function performGroup(run: Run): Promise<Measured> {
  const { peer, order, figures, begin } = run
  const { workload, name } = order
  const topic = `${name}group`
  const recipients = workload.accounts - 1
  await many(recipients, async (index) => {
    await peer.mailbox(`${name}m${index}`, topic)
    await peer.receive(`${name}m${index}`, topic, () => figures.done())
  })
  const onDelivered = (own: Sender) => own.send()
  const sender = await openSender(run, `${name}a`, { topic, recipients, onDelivered })
  const stop = startLoops([sender], { outstanding: workload.outstanding, warmUpMs: order.warmUpMs })
  const measured = await measure(order, figures, begin)
  stop()
  return measured
}

async function performDrain(run: Run): Promise<Measured> {
  const { peer, order, figures, begin } = run
  const { workload, name } = order
  const each = Math.ceil(workload.waiting / workload.accounts)
  const topics = await many(workload.accounts, async (index) => {
    const topic = `${name}b${index}`
    await peer.mailbox(topic, topic)
    await sendAll(each, (onStored) =>
      openSender(run, `${name}a${index}`, { topic, recipients: 1, onStored }),
    )
    return topic
  })
  const drained = Promise.withResolvers<undefined>()
  await begin(figures)
  figures.begin()
  void many(topics.length, (index) => {
    const topic = topics[index] ?? ''
    return peer.receive(topic, topic, () => {
      figures.done()
      if (figures.total() >= each * topics.length) drained.resolve(undefined)
    })
  })
  await drained.promise
  return figures.end()
}

async function performIdle({ peer, order, figures, begin }: Run): Promise<Measured> {
  const { workload, name } = order
  await sleep(order.warmUpMs)
  await begin(figures)
  figures.begin()
  await many(workload.accounts, async (index) => {
    await peer.idle(`${name}i${index}`)
    figures.done()
  })
  const opened = figures.end()
  await sleep(order.measureMs)
  return opened
}
