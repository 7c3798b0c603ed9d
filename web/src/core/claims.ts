// The shopper's own claims, from HTTP and from their channel; the newer version of each counts.
import { computed, signal } from '@preact/signals';
import { call, create, get, refreshUser } from './api';
import { now } from './clock';
import { freshKey } from './ids';
import { here } from './place';
import type { Claim, Promotion } from './types';

const mine = signal<ReadonlyMap<string, Claim>>(new Map());
/** One's claims, newest first. */
export const claims = computed(() => [...mine.value.values()].sort((a, b) => b.created_at.localeCompare(a.created_at)));
/** Unread notifications. */
export const unread = signal(0);

/** Whether a claim says more than what is known: versions only grow, and an end is final. */
function isNews(claim: Claim): boolean {
  const before = mine.value.get(claim.id);
  return !before || claim.v >= before.v;
}

export function hearClaim(claim: Claim): void {
  if (isNews(claim)) mine.value = new Map(mine.value).set(claim.id, claim);
}

/** The connect told of all open claims: a held one that it did not name is no longer held, so ask. */
export function hearOpen(open: Claim[]): void {
  for (const claim of open) hearClaim(claim);
  const named = new Set(open.map((claim) => claim.id));
  for (const claim of mine.value.values()) {
    if (claim.status === 'held' && !named.has(claim.id)) void get<Claim>(`/claims/${claim.id}`).then(hearClaim, () => undefined);
  }
}

export async function loadClaims(): Promise<void> {
  const page = await get<{ items: Claim[] }>('/claims?limit=100');
  for (const claim of page.items) hearClaim(claim);
}

export function forgetClaims(): void {
  mine.value = new Map();
}

/** The open or latest claim of a promotion. */
export function claimOf(promotion: string): Claim | undefined {
  const of = claims.value.filter((claim) => claim.promotion_id === promotion);
  return of.find((claim) => claim.status === 'held') ?? of.find((claim) => claim.status === 'confirmed') ?? of[0];
}

/** A key per promotion until an answer came: a second tap after a lost answer is the same claim. */
const keys = new Map<string, string>();

export async function claim(promotion: string, quantity: number): Promise<Claim> {
  const name = `${promotion}:${quantity}`;
  const key = keys.get(name) ?? freshKey();
  keys.set(name, key);
  const place = here.value;
  const body = place ? { quantity, location: { lat: place.lat, lng: place.lng } } : { quantity };
  const made = await create<Claim>(`/promotions/${promotion}/claims`, body, key);
  keys.delete(name);
  hearClaim(made);
  return made;
}

export async function confirm(id: string): Promise<void> {
  hearClaim(await call<Claim>('POST', `/claims/${id}/confirm`));
  void refreshUser().catch(() => undefined);
}

export async function cancel(id: string): Promise<void> {
  hearClaim(await call<Claim>('POST', `/claims/${id}/cancel`));
}

/** Whether a held claim's time is up, whatever the server has told so far. */
export function isOver(claim: Claim): boolean {
  return claim.status === 'held' && claim.hold_expires_at !== undefined && Date.parse(claim.hold_expires_at) <= now();
}

/** Promotions by id, asked for once: what a claim is of. */
const promotions = new Map<string, Promise<Promotion>>();
export function promotionOf(id: string): Promise<Promotion> {
  let found = promotions.get(id);
  if (!found) {
    found = get<Promotion>(`/promotions/${id}`);
    found.catch(() => promotions.delete(id));
    promotions.set(id, found);
  }
  return found;
}
