// What is under way: frames, calls, statements, commits. Each lies in a lane until it is moved. A lane
// keeps its order; which lane moves next is the history's choice. So every order that the network and
// the processes allow can come about, and the same choices bring the same one.

export interface Lanes {
  /** Puts something at the end of a lane. */
  add(lane: string, move: () => void): void
  /** In a lane of its own: nothing keeps it behind anything else. */
  addLoose(kind: string, move: () => void): void
  /** Moves the head of one of the lanes, chosen by `choice`, and lets what it sets off happen. */
  step(choice: number): Promise<boolean>
  /** Lets everything happen that does not lie in a lane. */
  rest(): Promise<void>
  /** Forgets what lies in the lanes that begin so. */
  clear(prefix: string): void
  /** Forgets one thing of a kind, chosen by `choice`; or puts it there twice. */
  lose(kind: string, choice: number): void
  double(kind: string, choice: number): void
  /** Keeps one of the lanes, chosen by `choice`, from moving: it is slow. All move again on `release`. */
  stall(choice: number): void
  release(): void
  isEmpty(): boolean
  /** Grows with every step. */
  readonly count: number
}

export function createLanes(rest: () => Promise<void>): Lanes {
  const lanes = new Map<string, (() => void)[]>()
  const stalled = new Set<string>()
  let looseNo = 0
  let count = 0

  function add(lane: string, move: () => void): void {
    const moves = lanes.get(lane)
    if (moves === undefined) lanes.set(lane, [move])
    else moves.push(move)
  }

  function nth(names: readonly string[], choice: number): string | undefined {
    return names[choice % Math.max(1, names.length)]
  }

  const ofKind = (kind: string) => [...lanes.keys()].filter((lane) => lane.startsWith(kind))
  const movable = () =>
    stalled.size === 0 ? [...lanes.keys()] : [...lanes.keys()].filter((lane) => !stalled.has(lane))

  return {
    add,
    addLoose: (kind, move) => add(`${kind} ${(looseNo += 1)}`, move),
    async step(choice) {
      const lane = nth(movable(), choice)
      const moves = lane === undefined ? undefined : lanes.get(lane)
      if (lane === undefined || moves === undefined) return false
      const move = moves.shift()
      if (moves.length === 0) lanes.delete(lane)
      count += 1
      move?.()
      await rest()
      return true
    },
    rest,
    clear(prefix) {
      for (const lane of ofKind(prefix)) lanes.delete(lane)
    },
    lose(kind, choice) {
      const lane = nth(ofKind(kind), choice)
      if (lane !== undefined) lanes.delete(lane)
    },
    double(kind, choice) {
      const lane = nth(ofKind(kind), choice)
      const [move] = (lane === undefined ? undefined : lanes.get(lane)) ?? []
      if (move !== undefined) add(`${kind} ${(looseNo += 1)}`, move)
    },
    stall(choice) {
      const lane = nth(movable(), choice)
      if (lane !== undefined) stalled.add(lane)
    },
    release: () => stalled.clear(),
    isEmpty: () => lanes.size === 0,
    get count() {
      return count
    },
  }
}
