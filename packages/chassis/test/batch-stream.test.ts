import { setImmediate, setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { Failure } from '../src/index.ts'
import { ackAll, ackedReply, ackedSeq, ackStream, serveStore, storeClient } from './store-server.ts'

const opened: { close(): unknown }[] = []

afterEach(async () => {
  vi.useRealTimers()
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function serve(...args: Parameters<typeof serveStore>) {
  const server = await serveStore(...args)
  opened.push({ close: () => server.drain() })
  return server
}

function openStream(port: number, bounds?: Parameters<typeof ackStream>[1]) {
  const client = storeClient(port, 'gateway')
  const stream = ackStream(client, bounds)
  opened.push(client, stream)
  return stream
}

const nothing = () => undefined

/** Turns of the event loop, in which a frame would have gone. */
async function turns() {
  for (let turn = 0; turn < 20; turn++) await setImmediate()
}

test('each question gets its own verdict, and one turn’s questions share a frame', async () => {
  let frames = 0
  const server = await serve({
    write: (request, answer) => {
      frames += 1
      return ackAll(request, answer)
    },
  })
  const stream = openStream(server.port)
  await stream.send(0)
  const seqs = Array.from({ length: 500 }, (_, index) => index)
  const verdicts = await Promise.all(seqs.map((seq) => stream.send(seq)))
  expect(verdicts.map(ackedSeq)).toEqual(seqs)
  expect(frames).toBe(2)
})

test('a frame may be answered in parts, and a later one before it', async () => {
  const held = Promise.withResolvers<undefined>()
  const server = await serve({
    write: async (request, answer) => {
      const { verdicts } = ackedReply(request)
      for (const verdict of verdicts.reverse()) {
        if (ackedSeq(verdict) === 1) await held.promise
        answer({ epoch: 'e', verdicts: [verdict] })
      }
    },
  })
  const stream = openStream(server.port)
  await stream.send(0)
  const order: (number | undefined)[] = []
  const [one, two] = [1, 2].map((seq) =>
    stream.send(seq).then((verdict) => order.push(ackedSeq(verdict))),
  )
  await two
  await stream.send(3).then((verdict) => order.push(ackedSeq(verdict)))
  held.resolve(undefined)
  await one
  expect(order).toEqual([2, 3, 1])
})

test('one frame at a time: what is asked meanwhile is one frame, once something is answered', async () => {
  const frames: number[] = []
  const held = Promise.withResolvers<undefined>()
  const server = await serve({
    write: async (request, answer) => {
      frames.push(request.acks.length)
      if (request.acks[0]?.seq === 1) await held.promise
      // Of the first frame one question is never answered: it holds up no other.
      const { epoch, verdicts } = ackedReply(request)
      answer({ epoch, verdicts: verdicts.filter((verdict) => ackedSeq(verdict) !== 2) })
    },
  })
  const stream = openStream(server.port, { holdsUp: () => true })
  await stream.send(0)
  const first = stream.send(1)
  const unanswered = stream.send(2).catch((failure: Failure) => failure.code)
  const later: Promise<unknown>[] = []
  for (const seq of [3, 4, 5]) {
    await wait(20)
    later.push(stream.send(seq))
  }
  await wait(20)
  expect(frames).toEqual([1, 2])
  held.resolve(undefined)
  await Promise.all([first, ...later])
  expect(frames).toEqual([1, 2, 3])
  expect(await unanswered).toBe('DEADLINE_EXCEEDED')
})

test('one frame at a time: one without any answer holds up the next until its deadline, no longer', async () => {
  const server = await serve({
    write: (request, answer) =>
      request.acks[0]?.seq === 1 ? new Promise(nothing) : ackAll(request, answer),
  })
  const stream = openStream(server.port, { holdsUp: () => true, deadlineMs: 2_000 })
  await stream.send(0)
  const first = stream.send(1).catch((failure: Failure) => failure.hadNoEffect)
  await wait(1_000)
  // Never sent before the first one's deadline, and in time for its own.
  expect(ackedSeq(await stream.send(2))).toBe(2)
  expect(await first).toBe(false)
})

test('a question that holds nobody up is waited for by nobody', async () => {
  const server = await serve({
    write: (request, answer) =>
      request.acks[0]?.seq === 3 ? new Promise(nothing) : ackAll(request, answer),
  })
  const stream = openStream(server.port, { holdsUp: (seq) => seq !== 3, deadlineMs: 2_000 })
  await stream.send(0)
  const unanswered = stream.send(3).catch((failure: Failure) => failure.code)
  await wait(20)
  const began = performance.now()
  expect(ackedSeq(await stream.send(4))).toBe(4)
  expect(performance.now() - began).toBeLessThan(1_000)
  expect(await unanswered).toBe('DEADLINE_EXCEEDED')
})

/** A stream on which all below 100 can wait, with no time but the test's; and its frames. */
async function waitingStream() {
  const frames: (number | undefined)[][] = []
  const server = await serve({
    write: (request, answer) => {
      frames.push(request.acks.map(({ seq }) => seq))
      return ackAll(request, answer)
    },
  })
  const stream = openStream(server.port, { canWait: (seq) => seq < 100 })
  await stream.send(100)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  await stream.send(100)
  frames.length = 0
  return { stream, frames }
}

test('what can wait goes along with the next that cannot, or alone when its moment is over', async () => {
  const { stream, frames } = await waitingStream()
  const one = stream.send(1)
  await turns()
  await Promise.all([one, stream.send(101), stream.send(2)])
  expect(frames).toEqual([[1, 101, 2]])

  const three = stream.send(3)
  await turns()
  const four = stream.send(4)
  vi.advanceTimersByTime(4)
  await turns()
  expect(frames).toHaveLength(1)
  vi.advanceTimersByTime(1)
  await Promise.all([three, four])
  expect(frames.slice(1)).toEqual([[3, 4]])
})

test('what can wait goes at once where nothing has gone for a while, or if it is much', async () => {
  const { stream, frames } = await waitingStream()
  vi.advanceTimersByTime(5)
  await stream.send(1)
  expect(frames).toEqual([[1]])

  const few = Array.from({ length: 15 }, (_, seq) => stream.send(seq))
  await turns()
  expect(frames).toHaveLength(1)
  await Promise.all([...few, stream.send(15)])
  expect(frames.slice(1)).toEqual([Array.from({ length: 16 }, (_, seq) => seq)])
})

test('broken in mid-flight: what was sent is unknown, in its order, and the stream comes back', async () => {
  const taken = Promise.withResolvers<undefined>()
  const first = await serveStore({
    write: () => {
      taken.resolve(undefined)
      return new Promise(nothing)
    },
  })
  const stream = openStream(first.port, { deadlineMs: 5_000 })
  const outcomes: [number, Failure][] = []
  const asked = [1, 2, 3].map((seq) =>
    stream.send(seq).catch((failure: Failure) => outcomes.push([seq, failure])),
  )
  await taken.promise
  await first.drain()
  await Promise.all(asked)
  expect(outcomes.map(([seq]) => seq)).toEqual([1, 2, 3])
  for (const [, failure] of outcomes) {
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', hadNoEffect: false })
  }

  await serve({ write: ackAll }, `127.0.0.1:${first.port}`)
  await expect.poll(() => stream.send(4).then(ackedSeq, nothing), { timeout: 4_000 }).toBe(4)
})

test('a bug in one frame ends the stream; the next one works', async () => {
  const server = await serve({
    write: async (request, answer) => {
      if (request.acks[0]?.seq === 13) throw new Error('a bug')
      return ackAll(request, answer)
    },
  })
  const stream = openStream(server.port)
  await expect(stream.send(13)).rejects.toMatchObject({ code: 'INTERNAL', hadNoEffect: false })
  expect(ackedSeq(await stream.send(14))).toBe(14)
})

test('without a server questions wait, then fail as never sent', async () => {
  const server = await serveStore({ write: ackAll })
  await server.drain()
  const stream = openStream(server.port, { deadlineMs: 200 })
  const failure = await stream.send(1).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(Failure)
  expect(failure).toMatchObject({ hadNoEffect: true })
})

test('no verdict in time: the question fails as unknown, the stream stays', async () => {
  const server = await serve({
    write: (request, answer) =>
      request.acks[0]?.seq === 1 ? new Promise(nothing) : ackAll(request, answer),
  })
  const stream = openStream(server.port)
  await stream.send(0)
  await expect(stream.send(1)).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    hadNoEffect: false,
  })
  expect(ackedSeq(await stream.send(2))).toBe(2)
})

test('what is in flight is bounded: more is refused at once, and was never sent', async () => {
  const server = await serve({ write: () => new Promise(nothing) })
  const stream = openStream(server.port, { inFlightMax: 2, deadlineMs: 200 })
  const asked = Promise.allSettled([stream.send(1), stream.send(2)])
  await expect(stream.send(3)).rejects.toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    hadNoEffect: true,
  })
  await asked
})

test('draining answers the frames that were taken before it ends the stream', async () => {
  const taken = Promise.withResolvers<undefined>()
  const server = await serve({
    write: async (request, answer) => {
      if (request.acks[0]?.seq === 1) {
        taken.resolve(undefined)
        await wait(50)
      }
      await ackAll(request, answer)
    },
  })
  const stream = openStream(server.port)
  const verdict = stream.send(1)
  await taken.promise
  await server.drain()
  expect(ackedSeq(await verdict)).toBe(1)
})

test('a caller that asks faster than the server answers is made to wait, not refused', async () => {
  let inFlight = 0
  let inFlightMost = 0
  const server = await serve({
    write: async (request, answer) => {
      inFlight += 1
      inFlightMost = Math.max(inFlightMost, inFlight)
      await wait(2)
      inFlight -= 1
      await ackAll(request, answer)
    },
  })
  const stream = openStream(server.port, { deadlineMs: 5_000 })
  const verdicts = []
  for (let seq = 0; seq < 400; seq++) {
    verdicts.push(stream.send(seq))
    await setImmediate()
  }
  expect((await Promise.all(verdicts)).map(ackedSeq)).toEqual(verdicts.map((_, seq) => seq))
  expect(inFlightMost).toBeLessThanOrEqual(64)
})
