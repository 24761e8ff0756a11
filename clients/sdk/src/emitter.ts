// Typed on/off. A listener that throws is the application's bug: it is reported as an unhandled
// rejection and harms neither the other listeners nor the device.

export type Listener<T> = (event: T) => unknown

export interface Emitter<Events> {
  on<K extends keyof Events>(name: K, listener: Listener<Events[K]>): () => void
  off<K extends keyof Events>(name: K, listener: Listener<Events[K]>): void
  emit<K extends keyof Events>(name: K, event: Events[K]): void
}

export function createEmitter<Events>(): Emitter<Events> {
  const listeners = new Map<keyof Events, Set<Listener<never>>>()
  const emitter: Emitter<Events> = {
    on(name, listener) {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener))
      return () => emitter.off(name, listener)
    },
    off(name, listener) {
      listeners.get(name)?.delete(listener)
    },
    emit(name, event) {
      for (const listener of [...(listeners.get(name) ?? [])]) {
        void call(listener as Listener<typeof event>, event)
      }
    },
  }
  return emitter
}

async function call<T>(listener: Listener<T>, event: T): Promise<void> {
  await listener(event)
}
