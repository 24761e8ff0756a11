// A NATS client that does as little as its protocol allows, on a plain socket.

import { connect } from 'node:net'
import { createTurnWriter, onPackets } from './turn-writer.ts'

export interface NatsMessage {
  readonly subject: string
  readonly reply: string
  readonly payload: Buffer
}

export interface NatsSocket {
  publish(subject: string, payload: Buffer, reply?: string): void
  subscribe(subject: string, onMessage: (message: NatsMessage) => void): void
  /** Resolves once the server has taken all so far. */
  flush(): Promise<void>
  close(): void
}

const LINE_END = Buffer.from('\r\n')
const CONNECT = Buffer.from('CONNECT {"verbose":false,"pedantic":false,"headers":false}\r\n')

export async function connectNatsBare(url: string): Promise<NatsSocket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const write = createTurnWriter(socket)
  const handlers = new Map<string, (message: NatsMessage) => void>()
  const pongs: (() => void)[] = []
  let lastId = 0

  onPackets(socket, lengthAt, (packet) => {
    const end = packet.indexOf(LINE_END)
    const [verb, subject = '', id = '', ...more] = packet.toString('latin1', 0, end).split(' ')
    if (verb === 'MSG') {
      const reply = more.length === 2 ? (more[0] ?? '') : ''
      handlers.get(id)?.({ subject, reply, payload: packet.subarray(end + 2, -2) })
    } else if (verb === 'PING') write(Buffer.from('PONG\r\n'))
    else if (verb === 'PONG') pongs.shift()?.()
    else if (verb === '-ERR') throw new Error(packet.toString())
  })
  write(CONNECT)
  return {
    publish(subject, payload, reply) {
      const to = reply === undefined ? subject : `${subject} ${reply}`
      write(Buffer.concat([Buffer.from(`PUB ${to} ${payload.length}\r\n`), payload, LINE_END]))
    },
    subscribe(subject, onMessage) {
      lastId += 1
      handlers.set(String(lastId), onMessage)
      write(Buffer.from(`SUB ${subject} ${lastId}\r\n`))
    },
    flush() {
      write(Buffer.from('PING\r\n'))
      return new Promise((resolve) => pongs.push(resolve))
    },
    close: () => socket.destroySoon(),
  }
}

/** A line, and with MSG the payload that its last word counts. */
function lengthAt(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(LINE_END, at)
  if (end === -1) return 0
  if (bytes[at] !== 0x4d) return end + 2 - at
  const size = Number(bytes.toString('latin1', bytes.lastIndexOf(0x20, end) + 1, end))
  return end + 2 + size + 2 - at
}
