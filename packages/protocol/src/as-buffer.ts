/** The same memory, as gRPC wants it. (`Buffer.from` of bytes copies them.) */
export function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
