// An MQTT 3.1.1 client that does as little as its protocol allows, on a plain socket.

import { connect } from 'node:net'
import { createTurnWriter, onPackets } from './turn-writer.ts'

export interface MqttHearing {
  /**
   * Acknowledged already, where it wants that. What waits for a kept session comes with the answer to
   * the connection, before the caller has the socket: so it is handed over.
   */
  onMessage(payload: Buffer, socket: MqttSocket): void
  /** A message of ours with this packet number is the broker's now. */
  onAcknowledged(packet: number): void
}

export interface MqttSocket {
  /** With a `packet` number at least once (QoS 1), without at most once. */
  publish(topic: string, payload: Buffer, packet?: number): void
  /** At least once; resolves when the broker has it. */
  subscribe(topic: string): Promise<void>
  close(): void
}

const CONNECT = 1
const CONNACK = 2
const PUBLISH = 3
const PUBACK = 4
const SUBSCRIBE = 8
const SUBACK = 9
const QOS_1 = 2

/** `isKept`: the session, with its subscriptions and what waits, outlives the connection. */
export async function connectMqttBare(
  url: string,
  client: { readonly id: string; readonly isKept: boolean },
  { onMessage, onAcknowledged }: MqttHearing,
): Promise<MqttSocket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const write = createTurnWriter(socket)
  const connected = Promise.withResolvers<undefined>()
  const subscribed: (() => void)[] = []

  const mqtt: MqttSocket = {
    publish(topic, payload, packet) {
      if (packet === undefined) return write(packetOf(PUBLISH, 0, text(topic), payload))
      write(packetOf(PUBLISH, QOS_1, text(topic), uint16(packet), payload))
    },
    subscribe(topic) {
      write(packetOf(SUBSCRIBE, 2, uint16(1), text(topic), Buffer.of(1)))
      return new Promise((resolve) => subscribed.push(resolve))
    },
    close: () => socket.destroySoon(),
  }
  onPackets(socket, lengthAt, (packet) => {
    const type = (packet[0] ?? 0) >> 4
    const body = packet.subarray(lengthOfHeader(packet, 0))
    if (type === CONNACK && body[1] === 0) connected.resolve(undefined)
    else if (type === CONNACK) connected.reject(new Error(`MQTT refuses: ${body[1]}`))
    else if (type === PUBACK) onAcknowledged(body.readUInt16BE())
    else if (type === SUBACK) subscribed.shift()?.()
    else if (type === PUBLISH) {
      const end = 2 + body.readUInt16BE()
      const hasNumber = ((packet[0] ?? 0) & QOS_1) !== 0
      if (hasNumber) write(packetOf(PUBACK, 0, body.subarray(end, end + 2)))
      onMessage(body.subarray(hasNumber ? end + 2 : end), mqtt)
    }
  })
  const flags = client.isKept ? 0 : 2
  write(packetOf(CONNECT, 0, text('MQTT'), Buffer.of(4, flags, 0, 0), text(client.id)))
  await connected.promise
  return mqtt
}

function packetOf(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  let length = parts.reduce((sum, part) => sum + part.length, 0)
  const header = [(type << 4) | flags]
  do {
    header.push((length & 0x7f) | (length > 0x7f ? 0x80 : 0))
    length >>= 7
  } while (length > 0)
  return Buffer.concat([Buffer.from(header), ...parts])
}

function lengthAt(bytes: Buffer, at: number): number {
  const header = lengthOfHeader(bytes, at)
  if (header === 0) return 0
  let length = 0
  for (let place = header - 1; place >= 1; place--) {
    length = length * 128 + ((bytes[at + place] ?? 0) & 0x7f)
  }
  return header + length
}

/** The type and the length that follows it; 0: it is not all there. */
function lengthOfHeader(bytes: Buffer, at: number): number {
  for (let place = 1; at + place < bytes.length; place++) {
    if (((bytes[at + place] ?? 0) & 0x80) === 0) return place + 1
  }
  return 0
}

function text(value: string): Buffer {
  return Buffer.concat([uint16(Buffer.byteLength(value)), Buffer.from(value)])
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}
