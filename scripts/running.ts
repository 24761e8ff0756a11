// What one `npm start` in a checkout holds: the folder .twotick/ for itself, its secrets in there,
// and its port.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

interface Claim {
  pid: number
  /** When that process started, in the kernel's ticks: a pid alone is used again. */
  startedTicks: string
  port: number
}

/** Takes the folder, or throws saying who has it. Returns what gives it back. */
export function claimFolder(folder: string, port: number): () => void {
  const file = join(folder, 'running.json')
  try {
    // The servers' user goes through it to its data.
    mkdirSync(folder, { recursive: true, mode: 0o711 })
    if (existsSync(file)) releaseStale(file, folder)
    const claim: Claim = { pid: process.pid, startedTicks: startedTicks(process.pid), port }
    writeFileSync(file, JSON.stringify(claim), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    throw new Error(`${folder} belongs to another user: start twotick as that one.`, {
      cause: error,
    })
  }
  return () => rmSync(file, { force: true })
}

function releaseStale(file: string, folder: string): void {
  const { pid, startedTicks: since, port } = JSON.parse(readFileSync(file, 'utf8')) as Claim
  if (startedTicks(pid) === since) {
    throw new Error(
      `twotick already runs in ${folder}: process ${pid}, ws://127.0.0.1:${port}.\n` +
        `Stop that one first (Ctrl-C in its terminal, or: kill ${pid}).`,
    )
  }
  rmSync(file)
}

/** Empty if no such process runs. Where there is no /proc, only whether it runs. */
function startedTicks(pid: number): string {
  try {
    process.kill(pid, 0)
    if (!existsSync('/proc/self/stat')) return 'unknown'
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch (error) {
    if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

/** Throws with what to do if somebody listens on the port. */
export async function refuseTakenPort(port: number): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${error.code})`
      reject(new Error(`Port ${port} ${why}. Another one: npm start -- --port ${port + 1}`))
    })
    probe.listen(port, '127.0.0.1', resolve)
  })
  await new Promise((resolve) => probe.close(resolve))
}

/**
 * The files of the services' secrets, made at the first start, readable by us alone. `isForBefore`: a
 * release will read them that does not know yet how copies are sealed once.
 */
export function secretFiles(folder: string, isForBefore = false) {
  const once = (name: string, content: () => string) => {
    const path = join(folder, name)
    if (!existsSync(path)) writeFileSync(path, content(), { flag: 'wx', mode: 0o600 })
    return path
  }
  return {
    sealKeyFile: once('seal-keys', () => {
      return `1 ${randomBytes(32).toString('base64')}${isForBefore ? '' : ' once'}\n`
    }),
    serviceSecretFile: once('service-secret', () => `${randomBytes(32).toString('hex')}\n`),
  }
}
