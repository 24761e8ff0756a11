// Says on standard error why a command failed, and gives its exit code.

import { OfflineError, RefusedError, type StopReason, StoppedError } from '@twotick/sdk'
import { CommanderError } from 'commander'
import colors from 'picocolors'
import { CommandError, EXIT, type ExitCode } from './command-error.ts'
import { OutputError } from './output.ts'
import { refusalText } from './refusal-text.ts'
import { isSqlite, profileFolder, shortPath } from './profile.ts'
import { TWOTICK } from './typed.ts'

const AGAIN = 'Register or link anew under another profile: --as <name>'

const STOPPED: Record<StopReason, { text: string; advice: string[]; exitCode: ExitCode }> = {
  closed: { text: 'Stopped.', advice: [], exitCode: EXIT.refused },
  replaced: {
    text: 'A newer connection of this very device is open: there is a copy of this profile.',
    advice: [],
    exitCode: EXIT.profile,
  },
  unlinked: {
    text: 'This device was unlinked, or its account deleted.',
    advice: [AGAIN],
    exitCode: EXIT.profile,
  },
  unauthenticated: {
    text: 'The relay does not know this device: another relay, or it was unlinked.',
    advice: [AGAIN],
    exitCode: EXIT.profile,
  },
  'upgrade-required': {
    text: 'The relay does not accept this version of twotick: update it.',
    advice: [],
    exitCode: EXIT.refused,
  },
  forked: {
    text: 'This profile is an old copy of itself, and must not be used any more.',
    advice: [AGAIN],
    exitCode: EXIT.profile,
  },
  'storage-failed': {
    text: 'The profile cannot be written: is the disk full?',
    advice: [],
    exitCode: EXIT.profile,
  },
}

/** Returns the exit code. What is none of the expected errors is a bug, and shown whole. */
export function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage
  if (error instanceof CommandError) {
    say(error.message, error.advice)
    return error.exitCode
  }
  if (error instanceof OutputError) {
    // That nobody reads on is no news to whoever stopped reading.
    if (!error.isClosed) {
      say(`Standard output cannot be written: ${error.message}.`, [
        'What was not printed is kept here, for the next time.',
      ])
    }
    return EXIT.refused
  }
  if (error instanceof RefusedError) {
    say(refusalText(error))
    return EXIT.refused
  }
  if (error instanceof OfflineError) {
    say('The relay did not answer in time.', [
      `Try again; ${TWOTICK} status says how things stand.`,
    ])
    return EXIT.offline
  }
  if (error instanceof StoppedError) {
    const { text, advice, exitCode } = STOPPED[error.reason]
    say(text, advice)
    return exitCode
  }
  if (isSqlite(error)) {
    say(`The file of the profile cannot be used: ${error.message}.`, [
      `${shortPath(profileFolder())} is where it lies. Is the disk full, or damaged?`,
    ])
    return EXIT.profile
  }
  console.error(error)
  return EXIT.refused
}

function say(message: string, advice: readonly string[] = []): void {
  console.error(`${colors.red('✗')} ${message}`)
  for (const line of advice) console.error(`  ${line}`)
}
