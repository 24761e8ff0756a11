// A command line whose process does not outlive the one that starts it: where util-linux' setpriv is
// (any Linux), the kernel sends it a signal when its parent dies, even of SIGKILL. It is also how
// root drops its privileges. The process keeps the pid that `spawn` reports: setpriv replaces itself.

import { existsSync } from 'node:fs'
import type { User } from './unprivileged.ts'

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))

export interface Tether {
  /** What the kernel sends it should we die without a word. */
  orphanSignal: 'INT' | 'KILL'
  /** Whom to run it as; null: as ourselves. */
  user: User | null
}

/** The command, and its arguments, that run `command` so. */
export function tethered(
  command: string,
  args: string[],
  { orphanSignal, user }: Tether,
): [string, string[]] {
  if (SETPRIV === undefined) return [command, args]
  const as = user === null ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']
  return [SETPRIV, [`--pdeathsig=${orphanSignal}`, ...as, '--', command, ...args]]
}
