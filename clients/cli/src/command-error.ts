// How a command fails: what a person reads, what they can do about it, and the exit code that a
// script reads.

/** The exit codes; `twotick --help` lists them. */
export const EXIT = {
  refused: 1, // the relay refused it, what was asked for is not there, or the output cannot be written
  usage: 2, // the command line is wrong
  offline: 3, // no relay, or no answer in time
  profile: 4, // not registered, unlinked, in use, an old copy, its file unusable
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export class CommandError extends Error {
  readonly exitCode: ExitCode
  /** What to do or to type, a line each. */
  readonly advice: readonly string[]

  constructor(exitCode: ExitCode, message: string, advice: readonly string[] = []) {
    super(message)
    this.name = 'CommandError'
    this.exitCode = exitCode
    this.advice = advice
  }
}
