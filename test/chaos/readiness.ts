// Which replicas are ready, asked twice a second as a load balancer would: a stopped process is out
// within a second, and a draining one gets no new connection.

import type { Replica } from './stack.ts'

const EVERY_MS = 500
const ANSWER_MS = 500

export interface Readiness {
  isReady(name: string): boolean
  watch(replicas: readonly Replica[]): void
  stop(): void
}

export function createReadiness(): Readiness {
  const notReady = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  async function look({ name, process }: Replica): Promise<void> {
    const isReady = await fetch(`${process.healthUrl}/readyz`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    }).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isReady) notReady.delete(name)
    else notReady.add(name)
  }

  return {
    isReady: (name) => !notReady.has(name),
    watch(replicas) {
      const gateways = replicas.filter(({ service }) => service === 'gateway')
      timer = setInterval(() => gateways.forEach((gateway) => void look(gateway)), EVERY_MS)
    },
    stop: () => clearInterval(timer),
  }
}
