// V8 counts of each place in the code how many of its objects survive, and allocates old at once
// what it has mostly seen survive. Under load a message lives about as long as the young generation
// lasts, so a gateway's questions, answers and sends all came to that. What is old waits for a whole
// collection of the heap, and until then keeps alive whatever it refers to: 2 kB of each message.

import { setFlagsFromString } from 'node:v8'

/** To be called before there is work: what V8 has decided until then stays so. */
export function allocateYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
