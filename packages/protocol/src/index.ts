// All that the clients and the services say to each other: what is generated from proto/, and the
// few things that both ends must compute alike.

export * from './generated/twotick/v1/device.ts'
export * from './generated/twotick/v1/refusal.ts'
// Every generated file has these three; one stands for all.
export {
  type MessageFns,
  protobufFileName,
  protobufPackage,
} from './generated/twotick/v1/device.ts'
export * from './address.ts'
export * from './signed.ts'
export * from './tag.ts'
