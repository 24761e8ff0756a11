// What a person reads for a refusal. Short: docs/refusals.md has the whole story.

import { RefusalCode, refusalName, type RefusedError } from '@twotick/sdk'

const TEXT: Partial<Record<RefusalCode, string>> = {
  [RefusalCode.UNAUTHENTICATED]: 'The relay does not know this device (any more).',
  [RefusalCode.UPGRADE_REQUIRED]: 'The relay does not accept this version of twotick: update it.',
  [RefusalCode.UNAVAILABLE]: 'The relay is in trouble just now. Try again in a moment.',
  [RefusalCode.TOO_MANY_CONNECTIONS]: 'Too many connections from here. Try again later.',
  [RefusalCode.MAILBOX_FULL]:
    'The mailbox there is full: nobody has received anything for a long time.',
  [RefusalCode.OWN_MAILBOX_FULL]:
    'Your own mailbox is full: listen first, on each of your devices.',
  [RefusalCode.UNKNOWN_RECIPIENT]: 'Nobody by that name, or they do not want to hear from you.',
  [RefusalCode.NOT_A_MEMBER]: 'You are no member of that group.',
  [RefusalCode.TOO_LARGE]: 'The message is too large: it must be a little less than 64 KiB.',
  [RefusalCode.RATE_LIMITED]: 'That was too much at once.',
  [RefusalCode.HANDLE_TAKEN]: 'The handle is taken. Choose another.',
  [RefusalCode.REGISTRATION_CLOSED]:
    'Registration is closed. Ask the operator for a token: --token <token>',
  [RefusalCode.NOT_PRIMARY]: 'Only your primary device may do that.',
  [RefusalCode.NOT_FOUND]: 'There is no such thing, or it is not yours to see.',
  [RefusalCode.LIMIT_REACHED]: 'That list is as long as it may be.',
}

/** One or two sentences, with the stable code behind them. */
export function refusalText({ code, detail, retryAfterMs }: RefusedError): string {
  const text = TEXT[code] ?? `The relay refused it${detail ? `: ${detail}` : ''}.`
  const seconds = Math.ceil(retryAfterMs / 1000)
  const again = retryAfterMs > 0 ? ` Try again in ${seconds} s.` : ''
  return `${text}${again} [${refusalName(code)}]`
}
