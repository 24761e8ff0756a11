// A disk with a volatile write cache, whose plug can be pulled: what was written and not flushed is
// gone, as after a power cut. For root on Linux; nothing real is at risk, it lives in memory.
//
//   medium   an image in a tmpfs: what survives
//   cache    an ext4 on it that holds one file: its page cache is the disk's write cache
//   folder   an ext4 on that file: what a server sees. Its page cache is the kernel's
//
// An fsync in `folder` writes the pages to the file in `cache`, then sends the disk a flush, which is
// an fsync of that file: only then is anything in the medium. Pulling the plug is ext4's shutdown
// ioctl on `cache`: from one moment on, nothing more reaches the medium, and whoever flushes gets an
// I/O error. What the medium has is then mounted anew, and ext4 replays its journals.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

const MIB = 1024 * 1024

/** How long a file system that nobody should use any more may be in use. */
const BUSY_MS = 60_000
const BUSY_LOOK_MS = 50

/** For the outer file system's own records. */
const OVERHEAD_MIB = 32

export interface Disk {
  /** Where it is mounted. */
  readonly folder: string
  /** At once: what is not flushed is lost, and nothing written from now on is kept. */
  cutPower(): Promise<void>
  /** After `cutPower`, once nobody has a file of it open: mounts what has survived. */
  powerOn(): Promise<void>
  /** Takes every free byte. */
  fill(): Promise<void>
  /** Gives them back. */
  drain(): void
  close(): Promise<void>
}

export interface DiskOptions {
  readonly mib: number
  /** false: the file system keeps flushes to itself, so that an fsync promises nothing. */
  readonly flushes?: boolean
}

/** What this machine lacks for `openDisk`; undefined: nothing. */
export async function missingForDisk(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it needs Linux'
  if (process.getuid?.() !== 0) return 'it needs root, to mount a disk of its own'
  try {
    const disk = await openDisk({ mib: 16 })
    try {
      await disk.cutPower()
      await disk.powerOn()
    } finally {
      await disk.close()
    }
    return undefined
  } catch (error) {
    return `no disk of its own can be mounted here: ${(error as Error).message.trim()}`
  }
}

/** Makes the disk, empty. It goes with `close`, and with this process however that ends. */
export async function openDisk({ mib, flushes = true }: DiskOptions): Promise<Disk> {
  const base = mkdtempSync(join(tmpdir(), 'twotick-disk-'))
  chmodSync(base, 0o711) // the servers' user goes through it
  const [medium, cache, folder] = ['medium', 'cache', 'folder'].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ]
  for (const path of [medium, cache, folder]) mkdirSync(path)
  const image = join(medium, 'image')
  const sectors = join(cache, 'sectors')
  const ballast = join(folder, 'ballast')
  const janitor = startJanitor([folder, cache, medium], base)

  async function mount(): Promise<void> {
    await run('mount', ['-o', 'loop,noatime', image, cache])
    if (!flushes) await run('mount', ['-o', 'loop,noatime,barrier=0', sectors, folder])
    else await run('mount', ['-o', 'loop,noatime', sectors, folder])
  }

  async function make(): Promise<void> {
    const size = `size=${mib + 2 * OVERHEAD_MIB}m`
    await run('mount', ['-t', 'tmpfs', '-o', size, 'twotick-disk', medium])
    await makeFileSystem(image, mib + OVERHEAD_MIB)
    await run('mount', ['-o', 'loop', image, cache])
    await makeFileSystem(sectors, mib)
    await unmount(cache)
    await mount()
    chmodSync(folder, 0o711)
  }

  const close = () => end(janitor)
  await make().catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    folder,
    cutPower: () => shutDown(cache),
    async powerOn() {
      await unmount(folder)
      await unmount(cache)
      await mount()
    },
    async fill() {
      const { bavail, bsize } = statfsSync(folder)
      closeSync(openSync(ballast, 'w'))
      await run('fallocate', ['-l', String(bavail * bsize), ballast]).catch(() => undefined)
      // What fallocate leaves: a few blocks for the records of the file itself.
      await run('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k', 'oflag=append', 'conv=notrunc'], {
        timeout: 10_000,
      }).catch(() => undefined)
    },
    drain: () => rmSync(ballast, { force: true }),
    close,
  }
}

/**
 * What is mounted from a file of it lets go a moment later; and a container that is being started on
 * the machine has all mounts for as long as that takes.
 */
async function unmount(folder: string): Promise<void> {
  const until = performance.now() + BUSY_MS
  for (;;) {
    try {
      return void (await run('umount', [folder]))
    } catch (error) {
      const isBusy = (error as Error).message.includes('busy')
      if (!isBusy || performance.now() > until) throw error
      await sleep(BUSY_LOOK_MS)
    }
  }
}

async function makeFileSystem(file: string, mib: number): Promise<void> {
  await run('truncate', ['-s', String(mib * MIB), file])
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=1', file])
}

// EXT4_IOC_SHUTDOWN is _IOR('X', 125, __u32); 2: without flushing the journal. Node has no ioctl,
// and Perl is part of every Debian.
const SHUT_DOWN = `
  open(my $folder, "<", $ARGV[0]) or die "$ARGV[0]: $!";
  my $how = pack("L", 2);
  ioctl($folder, 0x8004587d, $how) or die "no shutdown: $!"`

async function shutDown(folder: string): Promise<void> {
  await run('perl', ['-e', SHUT_DOWN, folder])
}

// Unmounts when its input ends: by `close`, and by our own end, even by SIGKILL. A busy file system
// goes as soon as its last user does.
function startJanitor(mounts: readonly string[], base: string): ChildProcess {
  const script = `
    read _
    base=$1; shift
    for mount; do umount "$mount" || umount -l "$mount"; done 2>/dev/null
    rm -rf --one-file-system "$base"`
  return spawn('sh', ['-c', script, 'sh', base, ...mounts], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  })
}

async function end(janitor: ChildProcess): Promise<void> {
  if (janitor.exitCode !== null) return
  const exited = once(janitor, 'exit')
  janitor.stdin?.end()
  await exited
}
