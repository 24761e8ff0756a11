// What a device hears on a line, held against the protocol: nothing up to `Welcome.acked_seq`, and each
// seq once, in order, as an entry or as missed.

import type { DownFrame } from '../../clients/sdk/src/link.ts'

export interface Watch {
  dialled(): void
  heard(frame: DownFrame): void
  /** Whether it was ever told that it missed something, or met another epoch. */
  hasGap(): boolean
  /** How often the store had been restored when the session opened. */
  restores(): number
}

export function createWatch(
  name: string,
  violation: (what: string) => void,
  restores: () => number,
): Watch {
  let ackedSeq = 0
  let pushedSeq = 0
  let epoch = ''
  let hasGap = false
  let restoresBefore = 0

  function pushed(firstSeq: number, lastSeq: number): void {
    if (firstSeq <= ackedSeq) violation(`${name} was pushed ${firstSeq} below acked ${ackedSeq}`)
    if (firstSeq <= pushedSeq) violation(`${name} was pushed ${firstSeq} after ${pushedSeq}`)
    pushedSeq = lastSeq
  }

  return {
    dialled() {
      ackedSeq = 0
      pushedSeq = 0
      restoresBefore = restores()
    },
    heard(frame) {
      if (frame.$case === 'welcome') {
        ackedSeq = frame.value.ackedSeq
        pushedSeq = ackedSeq
        if (epoch !== '' && epoch !== frame.value.epoch) hasGap = true
        ;({ epoch } = frame.value)
      }
      if (frame.$case === 'deliver') for (const { seq } of frame.value.entries) pushed(seq, seq)
      if (frame.$case !== 'missed') return
      pushed(frame.value.firstSeq, frame.value.lastSeq)
      hasGap = true
    },
    hasGap: () => hasGap,
    restores: () => restoresBefore,
  }
}
