// A mutant: one rule of the relay, broken by a patch of one source, where that is loaded. The sources
// themselves carry no switches.

export interface Mutant {
  readonly name: string
  /** Which rule it breaks. */
  readonly breaks: string
  /** From the root of the repository. */
  readonly file: string
  /** Must be there exactly once. */
  readonly find: string
  readonly replace: string
  /** The directed schedule that it is played by, where random histories come upon it too rarely. */
  readonly schedule?: string
  /** A test that turns red, where the simulation cannot see it. */
  readonly test?: {
    readonly project: 'unit' | 'services' | 'relay'
    readonly file: string
    readonly name: string
  }
}

/** The source with the patch. Throws if the source is not what the mutant expects. */
export function mutate({ name, file, find, replace }: Mutant, source: string): string {
  const count = source.split(find).length - 1
  if (count !== 1) {
    throw new Error(
      `mutant ${name}: its text is in ${file} ${count} times, not once: mend the mutant`,
    )
  }
  return source.replace(find, () => replace)
}
