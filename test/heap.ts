// What work leaves in the heap before a whole collection: more than nothing is what has been allocated
// old, or is held by something old, and makes whole collections come often.

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes of both generations that are there after the work and a collection of the young one. */
export async function leftBy(work: () => Promise<void>): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void
  collect()
  const before = heapBytes()
  await work()
  collect({ type: 'minor' })
  return heapBytes() - before
}

function heapBytes(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => name === 'new_space' || name === 'old_space')
    .reduce((bytes, space) => bytes + space.space_used_size, 0)
}
