// What the workloads are peopled with: accounts, and recipients with more devices than one.

import { sign } from 'node:crypto'
import { parseAddress, type Request, type Response, signedLink } from '@twotick/protocol'
import {
  claim,
  type LoadDevice,
  type LoadIdentity,
  newKey,
  open,
  register,
  type Target,
} from './load-device.ts'

/** Handshakes under way at once: each has 2 s, which many on a busy machine do not keep. */
const AT_ONCE = 8

/** Runs `make` for 0 to count - 1, some at a time, and gives what they made in that order. */
export async function many<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      made[index] = await make(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker))
  return made
}

/** Asks the directory once, on a connection of its own. */
export async function ask(
  target: Target,
  identity: LoadIdentity,
  body: NonNullable<Request['body']>,
): Promise<NonNullable<Response['body']>> {
  const answered = Promise.withResolvers<NonNullable<Response['body']>>()
  const device = await open(target, identity, (frame) => {
    if (frame.$case === 'response' && frame.value.body) answered.resolve(frame.value.body)
  })
  device.send({ $case: 'request', value: { requestId: 1, body } })
  const answer = await answered.promise
  device.close()
  if (answer.$case === 'refusal') throw new Error(`refused: ${JSON.stringify(answer.value)}`)
  return answer
}

/** An account with this many devices; the first one is the primary. */
export async function account(target: Target, handle: string, devices = 1) {
  const primary = await register(target, handle)
  const accountId = parseAddress(primary.address)?.accountId
  if (accountId === undefined) throw new Error('not an address')
  const all = [primary]
  while (all.length < devices) {
    const key = newKey()
    const signature = sign(null, signedLink(accountId, key.raw), primary.key)
    const name = `device ${all.length + 1}`
    const value = { publicKey: key.raw, name, signature, evictDeviceId: 0 }
    await ask(target, primary, { $case: 'linkDevice', value })
    all.push(await claim(target, key))
  }
  return { accountId, devices: all }
}

/** Acknowledges all that is pushed, at once; tells how many entries came. */
export function receive(
  target: Target,
  identity: LoadIdentity,
  onEntries: (count: number) => void = () => undefined,
): Promise<LoadDevice> {
  return open(target, identity, (frame, device) => {
    if (frame.$case !== 'deliver') return
    const { entries } = frame.value
    device.send({ $case: 'ack', value: { seq: entries.at(-1)?.seq ?? 0, failed: [] } })
    onEntries(entries.length)
  })
}
