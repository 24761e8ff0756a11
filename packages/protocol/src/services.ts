// What only the services say to each other: gRPC and NATS. Apart from index.ts, because it brings
// grpc-js along and a browser must not load that.

export * from './as-buffer.ts'
export * from './generated/grpc/health/v1/health.ts'
export * from './generated/twotick/v1/calls.ts'
export * from './generated/twotick/v1/envelope_store.ts'
export * from './generated/twotick/v1/event.ts'
export * from './generated/twotick/v1/event_outline.ts'
export * from './generated/twotick/v1/metadata_validation.ts'
// Every generated file has these three; one stands for all.
export {
  type MessageFns,
  protobufFileName,
  protobufPackage,
} from './generated/twotick/v1/envelope_store.ts'
