// Mosquitto: QoS 1 both ways, sessions that outlive their connections.

import { connectMqttBare } from './mqtt-socket.ts'
import { type Peer, receiptOf } from './peer.ts'

const nothing = () => undefined
const PACKETS = 65_535

export function createMosquitto(url: string): Peer {
  return {
    prepare: () => Promise.resolve(),
    async mailbox(recipient, topic) {
      const hearing = { onMessage: nothing, onAcknowledged: nothing }
      const socket = await connectMqttBare(url, { id: recipient, isKept: true }, hearing)
      await socket.subscribe(`m/${topic}`)
      socket.close()
    },
    async receive(recipient, _topic, onMessage) {
      await connectMqttBare(
        url,
        { id: recipient, isKept: true },
        {
          onMessage(payload, socket) {
            const { sender, no } = receiptOf(payload)
            socket.publish(`r/${sender}`, no)
            onMessage()
          },
          onAcknowledged: nothing,
        },
      )
    },
    async sender(name, ticks) {
      // Packet numbers go round; numbers of messages do not.
      let ackedNo = 0
      const socket = await connectMqttBare(
        url,
        { id: name, isKept: false },
        {
          onMessage: (payload) => ticks().delivered(payload.readUInt32BE()),
          onAcknowledged: () => ticks().stored(++ackedNo),
        },
      )
      await socket.subscribe(`r/${name}`)
      return {
        put: (topic, no, payload) =>
          socket.publish(`m/${topic}`, payload, ((no - 1) % PACKETS) + 1),
        close: socket.close,
      }
    },
    async idle(name) {
      const hearing = { onMessage: nothing, onAcknowledged: nothing }
      const socket = await connectMqttBare(url, { id: name, isKept: true }, hearing)
      await socket.subscribe(`m/${name}`)
    },
  }
}
