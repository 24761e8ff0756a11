// What a device hears on a line, held against the protocol: nothing up to `Welcome.acked_seq`, and each
// seq once, in order, as an entry or as missed.

import { addressKey, type Entry } from '@twotick/protocol'
import type { DownFrame } from '../../clients/sdk/src/link.ts'

export interface Watch {
  dialled(): void
  heard(frame: DownFrame): void
  /** Whether it was told that it missed this one, in that epoch. */
  hasMissed(epoch: string, seq: number): boolean
  /** Whose the entry is that it was last pushed under this seq: the sender's device and number. */
  nameOf(seq: number): string
}

export function createWatch(name: string, violation: (what: string) => void): Watch {
  let ackedSeq = 0
  let pushedSeq = 0
  let epoch = ''
  const missed: { epoch: string; firstSeq: number; lastSeq: number }[] = []
  const names = new Map<number, string>()

  function pushed(firstSeq: number, lastSeq: number): void {
    if (firstSeq <= ackedSeq) violation(`${name} was pushed ${firstSeq} below acked ${ackedSeq}`)
    if (firstSeq <= pushedSeq) violation(`${name} was pushed ${firstSeq} after ${pushedSeq}`)
    pushedSeq = lastSeq
  }

  function delivered({ seq, content }: Entry): void {
    pushed(seq, seq)
    if (content?.$case !== 'envelope' || !content.value.sender) return
    names.set(seq, `${addressKey(content.value.sender)} ${content.value.no}`)
  }

  return {
    dialled() {
      ackedSeq = 0
      pushedSeq = 0
    },
    heard(frame) {
      if (frame.$case === 'welcome') {
        ackedSeq = frame.value.ackedSeq
        pushedSeq = ackedSeq
        ;({ epoch } = frame.value)
      }
      if (frame.$case === 'deliver') for (const entry of frame.value.entries) delivered(entry)
      if (frame.$case !== 'missed') return
      const { firstSeq, lastSeq } = frame.value
      pushed(firstSeq, lastSeq)
      missed.push({ epoch, firstSeq, lastSeq })
    },
    hasMissed: (at, seq) =>
      missed.some(
        ({ epoch, firstSeq, lastSeq }) => epoch === at && firstSeq <= seq && seq <= lastSeq,
      ),
    nameOf: (seq) => names.get(seq) ?? '',
  }
}
