// Keys for requests. `crypto.randomUUID` is missing on plain http, where a phone in the same network may well be.

/** A random key that nobody else has. */
export function freshKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
