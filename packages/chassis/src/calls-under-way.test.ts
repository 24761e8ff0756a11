import { status } from '@grpc/grpc-js'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { leftBy } from '../../../test/heap.ts'
import { createCallsUnderWay, type Definition } from './calls-under-way.ts'

const definition = {
  path: '/a.Garden/Water',
  requestSerialize: () => Buffer.alloc(0),
  responseDeserialize: () => 'done',
} as unknown as Definition

test('what is answered, or was given up, leaves little', async () => {
  const underWay = createCallsUnderWay()
  const ids: number[] = []
  let heard = 0
  function answerOldest() {
    const id = ids.shift() ?? 0
    underWay.answer({ id, status: status.OK, details: '', reply: new Uint8Array() })
  }
  async function call(times: number) {
    for (let count = 0; count < times; count++) {
      const request = new Array<string>(100).fill('x')
      const end = underWay.add(definition, request, Date.now() + 60_000, () => {
        heard += request.length / 100
      })
      if (count % 10 === 0) end(null)
      ids.push(...underWay.takeUnsent({ callsMax: 10, bytesMax: 1_000 }).map(({ id }) => id))
      if (count % 10 === 5) end(null)
      if (ids.length > 300) answerOldest()
      if (count % 100 === 0) await turn()
    }
  }
  await call(1_000)
  expect(await leftBy(() => call(50_000)), 'of 40 MB').toBeLessThan(14_000_000)
  while (ids.length > 0) answerOldest()
  expect([heard, underWay.size()]).toEqual([51_000, 0])
})
