// The heap here is small, about 20 MB, and what passes lies outside of it: some 80 MB/s under load, in
// the buffers of sockets. V8 counts those towards the heap's limit, which after a whole collection is
// little more than what was left. So one whole collection led to the next, four a second, and they took
// more than all the rest of the service. The next one is at three times what was left instead.

import { setFlagsFromString } from 'node:v8'

const GROWING_PERCENT = 200

/** V8 asks for this whenever it sets the limit: from the next whole collection on it holds. */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`)
}
