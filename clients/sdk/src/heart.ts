// The heartbeat of a link. Both sides end a connection that was silent for 35 s; so this side pings
// once it has said or heard nothing for 15. By the clock of the day, which goes on while a device sleeps.

const SILENCE_MS = 35_000
const PING_AFTER_MS = 15_000
const HANDSHAKE_MS = 10_000

interface HeartOptions {
  ping(number: number): void
  /** Too much silence. */
  close(): void
}

/** Begins with the dialling: until `opened` it ends after 10 s, whatever comes. */
export function createHeart({ ping, close }: HeartOptions) {
  let heardAtMs = Date.now()
  let saidAtMs = Date.now()
  let pinged = 0
  let pingAfterMs = PING_AFTER_MS
  let silenceMs = SILENCE_MS
  const handshake = setTimeout(close, HANDSHAKE_MS)
  let timer: ReturnType<typeof setInterval> | undefined

  function beat(): void {
    const nowMs = Date.now()
    // The clock was set back: what it said before is of no use.
    if (nowMs < heardAtMs) heardAtMs = nowMs
    if (nowMs < saidAtMs) saidAtMs = nowMs
    if (nowMs - heardAtMs >= silenceMs) close()
    else if (nowMs - Math.min(heardAtMs, saidAtMs) >= pingAfterMs) ping((pinged += 1))
  }

  return {
    heard: () => void (heardAtMs = Date.now()),
    said: () => void (saidAtMs = Date.now()),
    opened(givenMs: number) {
      clearTimeout(handshake)
      silenceMs = givenMs || SILENCE_MS
      pingAfterMs = Math.min(PING_AFTER_MS, silenceMs / 2)
      timer ??= setInterval(beat, pingAfterMs / 5)
    },
    stop() {
      clearTimeout(handshake)
      clearInterval(timer)
    },
  }
}
