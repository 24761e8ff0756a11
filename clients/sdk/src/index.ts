// @twotick/sdk: a device of the relay, in Node and in browsers. Start with `registerDevice`, then
// `openDevice`. `@twotick/sdk/node` has the storage in a file.

export { EnvelopeType, NoticeKind, RefusalCode, StatusState } from '@twotick/protocol'
export type { Address, Contact, Conversation, Envelope, KeyPackage } from '@twotick/protocol'
export type { AccountCalls } from './account.ts'
export { plainCodec, type Codec, type Content, type Encoded, type Original } from './codec.ts'
export { openDevice, type Device, type DeviceOptions } from './device.ts'
export * from './errors.ts'
export type { DeviceEvents } from './events.ts'
export type { MessageHandler } from './inbox.ts'
export { readLinkCode } from './link-code.ts'
export type { SendOptions } from './outbox.ts'
export type { Outcome, SentMessage, Undelivered } from './promises.ts'
export { claimDevice, createLinkCode, registerDevice } from './register.ts'
export { memoryStorage } from './storage.ts'
export type { Change, Message, OutgoingMessage, Records, Row, Storage } from './storage.ts'
export type { Table, To } from './storage.ts'
