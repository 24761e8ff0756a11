// Ctrl-C and SIGTERM, for a command that ends cleanly by them. The same Ctrl-C may come twice: from
// the terminal, and from the launcher (bin/twotick.mjs), which got it too and passes it on.

const SAME_MS = 1_000

/** Calls `end` at the first signal, once. One that comes a second later ends the process at once. */
export function onInterrupt(end: () => void): void {
  let firstMs: number | undefined

  function interrupted(signal: NodeJS.Signals): void {
    if (firstMs === undefined) {
      firstMs = performance.now()
      end()
    } else if (performance.now() - firstMs > SAME_MS) {
      process.off(signal, interrupted)
      process.kill(process.pid, signal)
    }
  }

  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)
}
