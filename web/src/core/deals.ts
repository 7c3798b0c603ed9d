// The deals in reach: what the live socket said last of each. Frames come as fast as they like; the screen is told at most
// once per PACE_MS, in one batch, and only of what changed.
import { batch, signal, type Signal } from '@preact/signals';
import type { NearbyEvent, Offer } from './types';

const PACE_MS = 100;

export interface Deal {
  id: string;
  /** The offer as it is now. */
  offer: Signal<Offer>;
  /** This device's time when it appeared. */
  since: number;
}

const latest = new Map<string, Offer>();
const dirty = new Set<string>();
let timer: ReturnType<typeof setTimeout> | null = null;

/** All deals; a new array when one comes or goes. */
export const deals = signal<Deal[]>([]);
/** Grows with every batch that changed a deal that was there. */
export const changes = signal(0);
/** Whether the first snapshot is in. */
export const ready = signal(false);

const shown = new Map<string, Deal>();

/** What this device has, for a subscription that says so. */
export function known(): Record<string, number> {
  return Object.fromEntries([...latest].slice(0, 1000).map(([id, offer]) => [id, offer.v]));
}

export function find(id: string): Deal | undefined {
  return shown.get(id);
}

/** A subscription's snapshot: the difference to what was known. */
export function snapshot(offers: Offer[], gone: string[]): void {
  for (const id of gone) drop(id);
  for (const offer of offers) put(offer);
  flush();
  ready.value = true;
}

export function apply(event: NearbyEvent): void {
  if (event.type === 'offer') put(event.offer);
  else if (event.type === 'gone') drop(event.id);
  else {
    const offer = latest.get(event.id);
    if (!offer || event.v <= offer.v) return;
    latest.set(event.id, { ...offer, v: event.v, remaining: event.remaining, held: event.held });
    mark(event.id);
  }
}

export function drop(id: string): void {
  if (latest.delete(id)) mark(id);
}

/** Another place altogether: nothing of what was known counts. */
export function clear(): void {
  for (const id of latest.keys()) dirty.add(id);
  latest.clear();
  flush();
  ready.value = false;
}

function put(offer: Offer): void {
  const before = latest.get(offer.id);
  if (before && offer.v < before.v) return;
  latest.set(offer.id, offer);
  mark(offer.id);
}

function mark(id: string): void {
  dirty.add(id);
  timer ??= setTimeout(flush, PACE_MS);
}

function flush(): void {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  if (dirty.size === 0) return;
  batch(() => {
    let membership = false;
    for (const id of dirty) {
      const offer = latest.get(id);
      const deal = shown.get(id);
      if (offer && deal) deal.offer.value = offer;
      else if (offer) {
        shown.set(id, { id, offer: signal(offer), since: Date.now() });
        membership = true;
      } else if (deal) {
        shown.delete(id);
        membership = true;
      }
    }
    dirty.clear();
    if (membership) deals.value = [...shown.values()];
    changes.value += 1;
  });
}
