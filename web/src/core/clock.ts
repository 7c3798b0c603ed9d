// The server's clock on this device: an offset learnt from every reply that carries `server_time`, and a beat for countdowns.
import { signal } from '@preact/signals';

const BEAT_MS = 200;
/** Samples older than this many no longer count: a device's clock may be set. */
const SAMPLES = 8;

let samples: number[] = [];
let offset = 0;

/**
 * Learns from a reply that just arrived. Its journey makes a sample too small, never too large, so the largest is nearest
 * to the truth.
 */
export function learn(serverTime: string): void {
  samples = [...samples.slice(1 - SAMPLES), Date.parse(serverTime) - Date.now()];
  offset = Math.max(...samples);
  beat.value = now();
}

/** A connection is new: what was learnt may be of before a sleep or a change of the clock. */
export function forget(): void {
  samples = [];
}

/** Milliseconds since 1970 by the server's clock. */
export function now(): number {
  return Date.now() + offset;
}

/** The server's time, a few times a second. */
export const beat = signal(now());
setInterval(() => {
  if (!document.hidden) beat.value = now();
}, BEAT_MS);
document.addEventListener('visibilitychange', () => (beat.value = now()));

/** Whole seconds from now until then, rounded up: at 0 it has happened. */
export function secondsUntil(time: string, at: number = beat.value): number {
  return Math.max(0, Math.ceil((Date.parse(time) - at) / 1000));
}
