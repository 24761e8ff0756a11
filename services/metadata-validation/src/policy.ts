// What the relay accepts, whoever sends: client versions, envelope types, sizes and lifetimes. Pure;
// the numbers of the types are here and in device.proto, the versions come from the configuration.
//
// Client versions are self-declared: this is policy, not security.

import { EnvelopeType, type Refusal, RefusalCode } from '@twotick/protocol'
import { LRUCache } from 'lru-cache'
import { refuse } from './refuse.ts'
import { compareVersions, parseVersion, type Version } from './versions.ts'

/** Which client versions are accepted: none below the minimum, none that is blocked. */
export interface VersionRule {
  readonly minimum: Version
  readonly blocked: readonly Version[]
}

/** The rule that counts, and one that is only counted: a dry run of what is to come. */
export interface VersionPolicy {
  readonly enforced: VersionRule
  readonly pending: VersionRule
}

const VERDICTS_MAX = 100

/** What a version meets. `isPendingRefusal`: accepted, but the pending rule would refuse it. */
export interface VersionVerdict {
  readonly refusal?: Refusal
  readonly isPendingRefusal: boolean
}

/** Judges client versions as `judgeVersion` does, and remembers some. */
export function createVersionJudge(policy: VersionPolicy): (text: string) => VersionVerdict {
  // Most clients have one of a few versions.
  const verdicts = new LRUCache<string, VersionVerdict>({ max: VERDICTS_MAX })
  return (text) => {
    const known = verdicts.get(text)
    if (known !== undefined) return known
    const verdict = judgeVersion(policy, text)
    verdicts.set(text, verdict)
    return verdict
  }
}

/** Judges a client version. Refused: UPGRADE_REQUIRED, also for what is no version at all. */
export function judgeVersion(policy: VersionPolicy, text: string): VersionVerdict {
  const version = parseVersion(text)
  if (version === undefined) {
    const detail = 'the client version is not dotted numbers'
    return { refusal: refuse(RefusalCode.UPGRADE_REQUIRED, detail), isPendingRefusal: false }
  }
  if (!accepts(policy.enforced, version)) {
    const detail = `this client version is not accepted; at least ${policy.enforced.minimum.join('.')}`
    return { refusal: refuse(RefusalCode.UPGRADE_REQUIRED, detail), isPendingRefusal: false }
  }
  return { isPendingRefusal: !accepts(policy.pending, version) }
}

function accepts(rule: VersionRule, version: Version): boolean {
  if (compareVersions(version, rule.minimum) < 0) return false
  return !rule.blocked.some((blocked) => compareVersions(blocked, version) === 0)
}

const KIB = 1024
const DAY_S = 24 * 60 * 60

/** What an envelope of a type may be. */
export interface TypeBounds {
  readonly bytesMax: number
  readonly lifetimeMaxS: number
}

const TYPES: ReadonlyMap<EnvelopeType, TypeBounds> = new Map<EnvelopeType, TypeBounds>([
  [EnvelopeType.MESSAGE, { bytesMax: 64 * KIB, lifetimeMaxS: 30 * DAY_S }],
  [EnvelopeType.KEYS, { bytesMax: 64 * KIB, lifetimeMaxS: 30 * DAY_S }],
  [EnvelopeType.RECEIPT, { bytesMax: 4 * KIB, lifetimeMaxS: 30 * DAY_S }],
  [EnvelopeType.CALL, { bytesMax: 16 * KIB, lifetimeMaxS: 60 }],
])

const SIGNAL_BYTES_MAX = KIB

/** Size times recipient accounts: what one send may make the store write. */
export const SPREAD_BYTES_MAX = 4 * KIB * KIB

/** What is judged of an envelope by itself. */
export interface EnvelopeShape {
  readonly type: EnvelopeType
  readonly bytes: number
  readonly lifetimeS: number
  readonly isSignal: boolean
}

/** The lifetime of an envelope in seconds (0 for a signal), or why it is refused. */
export type ShapeVerdict =
  { readonly lifetimeS: number; readonly refusal?: never } | { readonly refusal: Refusal }

/**
 * Judges type, size and lifetime. A lifetime of 0 becomes the longest of the type.
 * Refused: UNKNOWN_TYPE, TOO_LARGE, LIFETIME_OUT_OF_BOUNDS.
 */
export function judgeShape(envelope: EnvelopeShape): ShapeVerdict {
  if (envelope.isSignal) {
    if (envelope.bytes <= SIGNAL_BYTES_MAX) return { lifetimeS: 0 }
    return { refusal: refuse(RefusalCode.TOO_LARGE, `a signal has at most ${SIGNAL_BYTES_MAX} B`) }
  }
  const bounds = TYPES.get(envelope.type)
  if (bounds === undefined) {
    return { refusal: refuse(RefusalCode.UNKNOWN_TYPE, `envelope type ${envelope.type}`) }
  }
  if (envelope.bytes > bounds.bytesMax) {
    const detail = `this type has at most ${bounds.bytesMax} B`
    return { refusal: refuse(RefusalCode.TOO_LARGE, detail) }
  }
  if (envelope.lifetimeS > bounds.lifetimeMaxS) {
    const detail = `this type lives at most ${bounds.lifetimeMaxS} s`
    return { refusal: refuse(RefusalCode.LIFETIME_OUT_OF_BOUNDS, detail) }
  }
  return { lifetimeS: envelope.lifetimeS === 0 ? bounds.lifetimeMaxS : envelope.lifetimeS }
}
