// V8 CPU profiles, folded to where the time goes: a file of ours, a package, a module of Node.

import { readFileSync } from 'node:fs'

interface CpuProfile {
  readonly startTime: number
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Shares of the busy time by place, largest first. Times are V8's: monotonic, in microseconds. */
export function foldProfile(path: string, window: { from: number; to: number }) {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile
  const selfTime = new Map<number, number>()
  let at = profile.startTime
  profile.samples.forEach((id, index) => {
    const delta = profile.timeDeltas[index] ?? 0
    at += delta
    if (at >= window.from && at <= window.to) selfTime.set(id, (selfTime.get(id) ?? 0) + delta)
  })
  const places = new Map<string, number>()
  let busy = 0
  for (const { id, callFrame } of profile.nodes) {
    const time = selfTime.get(id) ?? 0
    if (callFrame.functionName === '(idle)') continue
    busy += time
    const place = placeOf(callFrame)
    places.set(place, (places.get(place) ?? 0) + time)
  }
  return [...places]
    .map(([place, time]) => ({ place, share: busy === 0 ? 0 : time / busy }))
    .sort((a, b) => b.share - a.share)
}

function placeOf({ functionName, url }: { functionName: string; url: string }): string {
  if (url === '') return functionName
  const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)
  if (inPackage?.[1] !== undefined) return inPackage[1]
  return url.replace(/.*\/(services|packages)\//, '$1/')
}
