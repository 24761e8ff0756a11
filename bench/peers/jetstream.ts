// JetStream: file storage, split over streams; a message goes once each of its consumers has
// acknowledged it (interest retention). A recipient is a durable push consumer.

import { connectNatsBare, type NatsSocket } from './nats-socket.ts'
import { type Peer, receiptOf } from './peer.ts'

const STREAMS = 8
const ACK = Buffer.from('+ACK')

export function createJetStream(url: string): Peer {
  let admin: NatsSocket | undefined
  const waiting = new Map<string, (reply: string) => void>()
  let asked = 0

  /** The JetStream API: a request in JSON, on one connection for all. */
  async function ask(subject: string, body: object): Promise<void> {
    const reply = `_INBOX.admin.${++asked}`
    const answered = new Promise<string>((resolve) => waiting.set(reply, resolve))
    admin?.publish(`$JS.API.${subject}`, Buffer.from(JSON.stringify(body)), reply)
    const { error } = JSON.parse(await answered) as { error?: { description: string } }
    if (error) throw new Error(`JetStream: ${error.description}`)
  }

  return {
    async prepare() {
      const socket = await connectNatsBare(url)
      socket.subscribe('_INBOX.admin.*', ({ subject, payload }) => {
        waiting.get(subject)?.(payload.toString())
        waiting.delete(subject)
      })
      admin = socket
      for (let stream = 0; stream < STREAMS; stream++) {
        const name = `S${stream}`
        const kept = { retention: 'interest', storage: 'file', discard: 'old', num_replicas: 1 }
        const subjects = [`m.${stream}.>`]
        await ask(`STREAM.CREATE.${name}`, { name, subjects, ...kept }).catch((error: Error) => {
          if (!error.message.includes('already in use')) throw error
        })
      }
    },
    mailbox: (recipient, topic) =>
      ask(`CONSUMER.DURABLE.CREATE.S${streamOf(topic)}.${recipient}`, {
        stream_name: `S${streamOf(topic)}`,
        config: {
          durable_name: recipient,
          deliver_subject: `d.${recipient}`,
          filter_subject: subjectOf(topic),
          deliver_policy: 'all',
          ack_policy: 'explicit',
          max_ack_pending: 1_000,
        },
      }),
    async receive(recipient, _topic, onMessage) {
      const socket = await connectNatsBare(url)
      socket.subscribe(`d.${recipient}`, ({ reply, payload }) => {
        socket.publish(reply, ACK)
        const { sender, no } = receiptOf(payload)
        socket.publish(`r.${sender}`, no)
        onMessage()
      })
      await socket.flush()
    },
    async sender(name, ticks) {
      const socket = await connectNatsBare(url)
      socket.subscribe(`_INBOX.${name}.*`, ({ subject, payload }) => {
        if (payload.includes('"error"')) throw new Error(payload.toString())
        ticks().stored(Number(subject.slice(subject.lastIndexOf('.') + 1)))
      })
      socket.subscribe(`r.${name}`, ({ payload }) => ticks().delivered(payload.readUInt32BE()))
      await socket.flush()
      return {
        put: (topic, no, payload) =>
          socket.publish(subjectOf(topic), payload, `_INBOX.${name}.${no}`),
        close: socket.close,
      }
    },
    async idle(name) {
      const socket = await connectNatsBare(url)
      socket.subscribe(`d.${name}`, () => undefined)
      await socket.flush()
    },
  }
}

function streamOf(topic: string): number {
  return [...topic].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % STREAMS
}

function subjectOf(topic: string): string {
  return `m.${streamOf(topic)}.${topic}`
}
