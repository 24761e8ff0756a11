// One session after another, as the device sees them: each frame becomes a step of a turn, and at
// the end of each turn goes out what the turn allows: the ack of what is durable, the next sends.

import { RefusalCode, type Rejected, type Welcome } from '@twotick/protocol'
import type { Asker } from './asker.ts'
import type { LinkEnd } from './connection.ts'
import type { Directory } from './directory.ts'
import type { Emitter } from './emitter.ts'
import { ProtocolError, type StoppedError } from './errors.ts'
import type { DeviceEvents } from './events.ts'
import type { Granting } from './granting.ts'
import type { Inbox } from './inbox.ts'
import type { DownFrame, Link } from './link.ts'
import type { Receiver } from './receiver.ts'
import type { Rosters } from './rosters.ts'
import type { Sender } from './sender.ts'
import type { Step, Turn } from './turn.ts'

const INBOX_MAX = 1_000
const SENDS_DEFAULT_MAX = 64

// After a full socket it settles at the end of a turn again, and not beside one that is in progress:
// of that nothing is durable yet.
const FULL_SOCKET_WAIT_MS = 20
const NOTHING: Step = () => undefined

interface SessionParts {
  readonly sender: Sender
  readonly receiver: Receiver
  readonly inbox: Inbox
  readonly asker: Asker
  readonly granting: Granting
  readonly directory: Directory
  readonly rosters: Rosters
  readonly receives: boolean
  readonly emit: Emitter<DeviceEvents>['emit']
  readonly enter: (step: Step) => Promise<void>
  /** The storage is an old copy: writes that down, and stops after the turn. */
  readonly fork: (turn: Turn) => void
}

/** The session that is open: on which link, and how many sends it takes without an answer. */
interface Open {
  readonly link: Link
  readonly sendsMax: number
}

export type Session = ReturnType<typeof createSession>

export function createSession(parts: SessionParts) {
  const { sender, receiver, asker, granting, directory, emit } = parts
  let open: Open | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const mailbox = createMailboxFrames(parts, onOpen)

  /** A device that has stopped takes no steps; that is no concern of the frame that wanted one. */
  function enter(step: Step): void {
    parts.enter(step).catch(() => undefined)
  }

  /** A step of this link's session; nothing once that is gone. */
  function onOpen(link: Link, step: Step): void {
    enter(async (turn) => {
      if (open?.link !== link) return
      try {
        await step(turn)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        turn.after(() => link.close())
      }
    })
  }

  function frame(down: DownFrame, link: Link): void {
    if (down.$case === 'welcome') {
      enter((turn) => void (open = welcome(parts, { turn, link, stand: down.value })))
    } else if (down.$case === 'response') {
      directory.answered(down.value)
    } else if (down.$case === 'signal') {
      const { sender: from, ciphertext } = down.value
      if (from) emit('signal', { sender: from, ciphertext })
    } else {
      const step = answerStep(parts, down)
      if (step) onOpen(link, step)
      else if (parts.receives) mailbox.add(down, link)
    }
  }

  /** At the end of each turn. */
  function settle(): void {
    if (!open) return
    const { link, sendsMax } = open
    mailbox.release()
    const ack = receiver.takeAck()
    if (ack) link.send({ $case: 'ack', value: ack })
    clearTimeout(timer)
    if (!sender.pump(link, sendsMax)) timer = setTimeout(() => enter(NOTHING), FULL_SOCKET_WAIT_MS)
    link.waits(sender.isWaiting())
    granting.run()
  }

  function lost(end: LinkEnd): void {
    mailbox.clear()
    enter((turn) => {
      open = undefined
      sender.disconnected()
      asker.disconnected()
      directory.disconnected()
      turn.after(() => emit('disconnected', end))
    })
  }

  function stop(error: StoppedError): void {
    open = undefined
    clearTimeout(timer)
    asker.disconnected()
    directory.stop(error)
    granting.stop()
  }

  return { frame, settle, lost, stop, link: () => open?.link }
}

interface Welcomed {
  readonly turn: Turn
  readonly link: Link
  readonly stand: Welcome
}

/** Compares the device with the store; the session is open unless the device is an old copy. */
function welcome(parts: SessionParts, { turn, link, stand }: Welcomed): Open | undefined {
  const { sender, receiver, directory, granting, emit } = parts
  const before = sender.epoch()
  const { epoch, session, backlog, limits } = stand
  const isForked =
    receiver.welcome(turn, stand, before === epoch) === 'forked' ||
    sender.welcome(turn, stand) === 'forked'
  if (isForked) {
    parts.fork(turn)
    return undefined
  }
  turn.after(() => {
    directory.connected(link)
    granting.connected()
    emit('connected', { session, epoch, backlog })
    if (before !== '' && before !== epoch) emit('new-epoch', { epoch, before })
  })
  return { link, sendsMax: limits?.sendsMax || SENDS_DEFAULT_MAX }
}

/** What the relay says of sends. Undefined: the frame is of another kind. */
function answerStep(parts: SessionParts, down: DownFrame): Step | undefined {
  const { sender, asker } = parts
  switch (down.$case) {
    case 'stored':
      return (turn) => sender.stored(turn, down.value)
    case 'rejected':
      return (turn) => rejected(parts, turn, down.value)
    case 'delivered':
      return (turn) => sender.delivered(turn, down.value)
    case 'resync':
      return (turn) => turn.after(asker.resync)
    default:
      return undefined
  }
}

function rejected({ sender, rosters }: SessionParts, turn: Turn, value: Rejected): void {
  const attempt = sender.rejected(turn, value)
  if (attempt && value.code === RefusalCode.ROSTER_STALE) rosters.forget(turn, attempt.to)
}

/**
 * Frames whose order among each other matters: those of the mailbox, and the status answers that
 * rely on them. While the inbox is full they are held: nothing more is acked then, so the gateway's
 * window fills and it stops pushing. Each keeps its link: a turn that takes long may see the next one
 * push before it has seen the last one's end.
 */
function createMailboxFrames(
  parts: SessionParts,
  enter: (link: Link, step: (turn: Turn) => Promise<void>) => void,
) {
  let held: { readonly frame: DownFrame; readonly link: Link }[] = []

  function release(): void {
    while (parts.inbox.count() < INBOX_MAX) {
      const next = held.shift()
      if (!next) return
      enter(next.link, (turn) => mailboxStep(parts, turn, next.frame))
    }
  }

  return {
    add(frame: DownFrame, link: Link): void {
      held.push({ frame, link })
      release()
    },
    release,
    clear: () => void (held = []),
  }
}

async function mailboxStep(parts: SessionParts, turn: Turn, frame: DownFrame): Promise<void> {
  const { sender, receiver, asker, emit } = parts
  if (frame.$case === 'deliver') {
    if ((await receiver.deliver(turn, frame.value.entries)) === 'forked') parts.fork(turn)
  } else if (frame.$case === 'missed') {
    const before = receiver.position()
    if (receiver.missed(turn, frame.value) === 'forked') parts.fork(turn)
    else if (receiver.position() > before) turn.after(() => emit('missed', frame.value))
  } else if (frame.$case === 'drained') {
    turn.after(() => {
      asker.drained()
      emit('drained', frame.value)
    })
  } else if (frame.$case === 'status') {
    sender.status(turn, frame.value)
    turn.after(() => asker.answered(frame.value.queryId))
  }
}
