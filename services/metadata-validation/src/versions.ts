// Client versions: dotted numbers, compared number by number; what is missing counts as 0.

/** A parsed client version, most significant number first. */
export type Version = readonly number[]

const VERSION = /^[0-9]{1,9}(\.[0-9]{1,9}){0,5}$/

/** Parses dotted numbers ("1.12.3"); undefined if the text is none. */
export function parseVersion(text: string): Version | undefined {
  return VERSION.test(text) ? text.split('.').map(Number) : undefined
}

/** Negative if `left` is older than `right`, 0 if they are the same ("1.2" and "1.2.0" are). */
export function compareVersions(left: Version, right: Version): number {
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
