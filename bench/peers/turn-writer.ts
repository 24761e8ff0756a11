// What is written to a socket within one turn of the event loop goes out in one write.

import type { Socket } from 'node:net'

export function createTurnWriter(socket: Socket): (bytes: Buffer) => void {
  let out: Buffer[] = []
  const write = () => {
    const bytes = out
    out = []
    if (socket.writable) socket.write(Buffer.concat(bytes))
  }
  return (bytes) => {
    if (out.length === 0) setImmediate(write)
    out.push(bytes)
  }
}

/** Cuts what is read into packets: `lengthAt` says how long the one there is, 0 if that is not known. */
export function onPackets(
  socket: Socket,
  lengthAt: (bytes: Buffer, at: number) => number,
  onPacket: (packet: Buffer) => void,
): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    for (;;) {
      const length = lengthAt(bytes, at)
      if (length === 0 || at + length > bytes.length) break
      onPacket(bytes.subarray(at, at + length))
      at += length
    }
    rest = bytes.subarray(at)
  })
}
