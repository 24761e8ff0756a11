// `directory.changed`: every replica forgets what another one has changed.

import { type Bus } from '@twotick/chassis'
import { isAccountId, isConversationId } from '@twotick/protocol'
import { DirectoryChanged } from '@twotick/protocol/services'
import { type DirectoryCache } from './cache.ts'
import { type Changed } from './transaction.ts'

const SUBJECT = 'directory.changed'

/**
 * Forgets what others announce, and everything when events may have been lost. The result announces
 * this replica's own changes, here at once and to the others.
 */
export function createInvalidation(bus: Bus, cache: DirectoryCache): (changed: Changed) => void {
  bus.subscribe(SUBJECT, (data) => {
    const { accountIds, conversationIds } = DirectoryChanged.decode(data)
    cache.forget({
      accountIds: new Set(accountIds.filter(isAccountId)),
      conversationIds: new Set(conversationIds.filter(isConversationId)),
    })
  })
  bus.onConnected(() => cache.clear())
  return (changed) => {
    cache.forget(changed)
    const event = {
      accountIds: [...changed.accountIds],
      conversationIds: [...changed.conversationIds],
    }
    bus.publish(SUBJECT, DirectoryChanged.encode(event).finish())
  }
}
