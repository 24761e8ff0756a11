// The store's history, as this gateway knows it. Each session belongs to the epoch that it was
// opened under; when the store's replies show another one, the sessions of the old one end.

export interface Epochs {
  /** The latest that a reply of the store carried; empty before the first. */
  current(): string
  /** Called with the epoch of every reply of the store. */
  meet(epoch: string): void
  /** Told when it has changed, with the new one. */
  onChange(listener: (epoch: string) => void): void
}

export function createEpochs(): Epochs {
  let current = ''
  const listeners: ((epoch: string) => void)[] = []
  return {
    current: () => current,
    meet(epoch) {
      if (epoch === current || epoch === '') return
      const isFirst = current === ''
      current = epoch
      if (isFirst) return
      for (const listener of listeners) listener(epoch)
    },
    onChange: (listener) => void listeners.push(listener),
  }
}
