// One session after another, as the device sees them: each frame becomes a step of a turn, and at
// the end of each turn goes out what the turn allows: the ack of what is durable, the next sends.
//
// While the inbox is full, frames that follow the mailbox are held, in their order: nothing more is
// acked then, so the gateway's window fills and it stops pushing.

import { RefusalCode, type Rejected, type Welcome } from '@twotick/protocol'
import type { Asker } from './asker.ts'
import type { LinkEnd } from './connection.ts'
import type { Directory } from './directory.ts'
import type { Emitter } from './emitter.ts'
import { ProtocolError } from './errors.ts'
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
const FULL_SOCKET_WAIT_MS = 20

interface SessionParts {
  readonly sender: Sender
  readonly receiver: Receiver
  readonly inbox: Inbox
  readonly asker: Asker
  readonly granting: Granting
  readonly directory: Directory
  readonly rosters: Rosters
  readonly emit: Emitter<DeviceEvents>['emit']
  readonly enter: (step: Step) => Promise<void>
  /** The storage is an old copy: writes that down, and stops after the turn. */
  readonly fork: (turn: Turn) => void
}

export type Session = ReturnType<typeof createSession>

export function createSession(parts: SessionParts) {
  const { sender, receiver, inbox, asker, granting, directory, emit } = parts
  let open: { readonly link: Link; readonly sendsMax: number } | undefined
  let held: DownFrame[] = []
  let timer: ReturnType<typeof setTimeout> | undefined

  /** A device that has stopped takes no steps; that is no concern of the frame that wanted one. */
  function enter(step: Step): void {
    parts.enter(step).catch(() => undefined)
  }

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

  function welcome(turn: Turn, stand: Welcome, link: Link): void {
    const before = sender.epoch()
    const { epoch, session, backlog, limits } = stand
    const isForked =
      receiver.welcome(turn, stand, before === epoch) === 'forked' ||
      sender.welcome(turn, stand) === 'forked'
    if (isForked) return parts.fork(turn)
    open = { link, sendsMax: limits?.sendsMax || SENDS_DEFAULT_MAX }
    turn.after(() => {
      directory.connected(link)
      granting.connected()
      emit('connected', { session, epoch, backlog })
      if (before !== '' && before !== epoch) emit('new-epoch', { epoch, before })
    })
  }

  async function mailboxStep(turn: Turn, frame: DownFrame): Promise<void> {
    switch (frame.$case) {
      case 'deliver':
        if ((await receiver.deliver(turn, frame.value.entries)) === 'forked') parts.fork(turn)
        return
      case 'missed': {
        const before = receiver.position()
        if (receiver.missed(turn, frame.value) === 'forked') return parts.fork(turn)
        if (receiver.position() > before) turn.after(() => emit('missed', frame.value))
        return
      }
      case 'drained':
        turn.after(() => {
          asker.drained()
          emit('drained', frame.value)
        })
        return
      case 'status':
        sender.status(turn, frame.value)
        turn.after(() => asker.answered(frame.value.queryId))
    }
  }

  function rejected(turn: Turn, value: Rejected): void {
    const attempt = sender.rejected(turn, value)
    if (attempt && value.code === RefusalCode.ROSTER_STALE) parts.rosters.forget(turn, attempt.to)
  }

  function frame(down: DownFrame, link: Link): void {
    switch (down.$case) {
      case 'welcome':
        return enter((turn) => welcome(turn, down.value, link))
      case 'stored':
        return onOpen(link, (turn) => sender.stored(turn, down.value))
      case 'rejected':
        return onOpen(link, (turn) => rejected(turn, down.value))
      case 'delivered':
        return onOpen(link, (turn) => sender.delivered(turn, down.value))
      case 'resync':
        return onOpen(link, (turn) => turn.after(asker.resync))
      case 'response':
        return directory.answered(down.value)
      case 'signal': {
        const { sender: from, ciphertext } = down.value
        if (from) emit('signal', { sender: from, ciphertext })
        return
      }
      default:
        held.push(down)
        release(link)
    }
  }

  function release(link: Link): void {
    while (inbox.count() < INBOX_MAX) {
      const next = held.shift()
      if (!next) return
      onOpen(link, (turn) => mailboxStep(turn, next))
    }
  }

  /** At the end of each turn. */
  function settle(): void {
    if (!open) return
    const { link, sendsMax } = open
    release(link)
    const ack = receiver.takeAck()
    if (ack) link.send({ $case: 'ack', value: ack })
    clearTimeout(timer)
    if (!sender.pump(link, sendsMax)) timer = setTimeout(settle, FULL_SOCKET_WAIT_MS)
    granting.run()
  }

  return {
    frame,
    settle,
    link: () => open?.link,
    lost(end: LinkEnd): void {
      held = []
      enter((turn) => {
        open = undefined
        sender.disconnected()
        asker.disconnected()
        directory.disconnected()
        turn.after(() => emit('disconnected', end))
      })
    },
    stop(): void {
      open = undefined
      clearTimeout(timer)
      asker.disconnected()
      directory.stop()
      granting.stop()
    },
  }
}
