// Which service may call which gRPC method: all that is allowed, in one table. A method that is not
// here is refused to everybody.

export const SERVICE_NAMES = [
  'gateway',
  'metadata-validation',
  'envelope-store',
  'delivery-fanout',
  'expiry',
] as const

export type ServiceName = (typeof SERVICE_NAMES)[number]

export function isServiceName(name: string): name is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(name)
}

const STORE = '/twotick.v1.EnvelopeStore'
const VALIDATION = '/twotick.v1.MetadataValidation'

/** Which service answers the methods of a gRPC service, by its full name. */
export const SERVERS: Readonly<Record<string, ServiceName>> = {
  'twotick.v1.EnvelopeStore': 'envelope-store',
  'twotick.v1.MetadataValidation': 'metadata-validation',
}

export const CALLERS: Readonly<Record<string, readonly ServiceName[]>> = {
  // At every server; each call on it is looked up here by its own method.
  '/twotick.v1.Calls/Exchange': ['gateway'],

  [`${STORE}/GetEpoch`]: ['gateway', 'expiry'],
  [`${STORE}/Write`]: ['gateway'],
  [`${STORE}/OpenSession`]: ['gateway'],
  [`${STORE}/Fetch`]: ['gateway'],
  [`${STORE}/GetStatus`]: ['gateway'],
  [`${STORE}/GetHeads`]: ['gateway'],
  // The steps of a link, an unlink or a deletion: the gateway at once, expiry what was left half done.
  [`${STORE}/CreateMailbox`]: ['gateway', 'expiry'],
  [`${STORE}/AddDevice`]: ['gateway', 'expiry'],
  [`${STORE}/RemoveDevice`]: ['gateway', 'expiry'],
  [`${STORE}/DeleteMailbox`]: ['gateway', 'expiry'],
  [`${STORE}/Expire`]: ['expiry'],
  [`${STORE}/CountWaiting`]: ['expiry'],

  [`${VALIDATION}/Validate`]: ['gateway'],
  [`${VALIDATION}/Authenticate`]: ['gateway'],
  [`${VALIDATION}/RegisterAccount`]: ['gateway'],
  [`${VALIDATION}/ClaimDevice`]: ['gateway'],
  [`${VALIDATION}/Ask`]: ['gateway'],
  [`${VALIDATION}/FinishPending`]: ['gateway', 'expiry'],
  [`${VALIDATION}/ListPending`]: ['expiry'],
  [`${VALIDATION}/UnlinkUnseen`]: ['expiry'],
}

/** Whether the table allows it. `method` is the full path, `/twotick.v1.EnvelopeStore/Write`. */
export function isAllowed(method: string, caller: string): boolean {
  const callers: readonly string[] = Object.hasOwn(CALLERS, method) ? (CALLERS[method] ?? []) : []
  return callers.includes(caller)
}
