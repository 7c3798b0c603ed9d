// The live socket: one Centrifuge client per session, its `nearby` subscription, and the shopper's own channel. It feeds the
// stores of deals and claims; pages read those and never the socket, but for a promotion's board.
import { effect, signal, untracked } from '@preact/signals';
import { Centrifuge, type Subscription } from 'centrifuge';
import { accessToken, session } from './api';
import { hearClaim, hearOpen, unread } from './claims';
import * as clock from './clock';
import * as deals from './deals';
import { here, radius } from './place';
import type { Claim, NearbyEvent, Notification, Offer } from './types';

/** What the shopper may believe: `live`, on the way back, or no network at all. */
export const connection = signal<'live' | 'reconnecting' | 'offline'>('reconnecting');
/** The notification that came last while the app was open. */
export const arrived = signal<Notification | null>(null);

let client: Centrifuge | null = null;
let nearby: Subscription | null = null;
let moving = false;
let again = false;

interface Snapshot {
  server_time: string;
  offers: Offer[];
  gone: string[];
}

function address(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/live`;
}

function whereabouts(): { location?: { lat: number; lng: number }; radius_m: number } {
  const place = here.value;
  return place ? { location: { lat: place.lat, lng: place.lng }, radius_m: radius.value } : { radius_m: radius.value };
}

function connect(signedIn: boolean): void {
  client?.disconnect();
  const mine = new Centrifuge(address(), {
    getToken: signedIn ? () => accessToken() : null,
    minReconnectDelay: 300,
    maxReconnectDelay: 8000,
  });
  client = mine;
  mine.on('connecting', () => (connection.value = navigator.onLine ? 'reconnecting' : 'offline'));
  mine.on('disconnected', (context) => {
    if (client !== mine) return;
    connection.value = navigator.onLine ? 'reconnecting' : 'offline';
    // 3500: the token is not good any more. Whoever is signed out meanwhile gets a visitor's connection.
    if (context.code >= 3500 && session.value) void accessToken().finally(() => connect(session.value !== null));
  });
  mine.on('connected', (context) => {
    clock.forget();
    hear(context.data?.server_time);
    connection.value = 'live';
  });
  mine.on('subscribed', (context) => {
    if (context.channel !== 'me') return;
    const data = context.data as { claims?: Claim[]; unread?: number } | undefined;
    hearOpen(data?.claims ?? []);
    unread.value = data?.unread ?? 0;
  });
  mine.on('publication', (context) => {
    if (context.channel !== 'me') return;
    const event = context.data as { type: string; claim?: Claim; notification?: Notification };
    if (event.type === 'claim' && event.claim) hearClaim(event.claim);
    if (event.type === 'notification' && event.notification) {
      unread.value += 1;
      arrived.value = event.notification;
    }
  });
  nearby = mine.newSubscription('nearby', {
    getData: async () => ({ ...whereabouts(), known: deals.known() }),
  });
  nearby.on('subscribed', (context) => {
    const data = context.data as Snapshot;
    hear(data.server_time);
    deals.snapshot(data.offers, data.gone);
    if (again) void move();
  });
  nearby.on('publication', (context) => deals.apply(context.data as NearbyEvent));
  nearby.subscribe();
  mine.connect();
}

function hear(serverTime: unknown): void {
  if (typeof serverTime === 'string') clock.learn(serverTime);
}

/** Tells the server where the shopper is now. One move at a time; while one is under way only the last place counts. */
async function move(): Promise<void> {
  if (moving || !client || nearby?.state !== 'subscribed') {
    again = true;
    return;
  }
  moving = true;
  again = false;
  const asked = nearby;
  try {
    const { data } = await client.rpc('move', whereabouts());
    hear(data.server_time);
    for (const id of data.left as string[]) deals.drop(id);
    deals.ready.value = true;
  } catch {
    // Not answered, so what is in reach is not certain: ask for all of it.
    if (asked === nearby && asked.state === 'subscribed') {
      asked.unsubscribe();
      asked.subscribe();
    }
  } finally {
    moving = false;
    if (again) void move();
  }
}

/** Watches one promotion, as long as it is not stopped. */
export function watch(
  id: string,
  heard: { offer: (offer: Offer) => void; event: (event: Record<string, unknown>) => void; over: () => void },
): () => void {
  if (!client) return () => undefined;
  const mine = client;
  const name = `promotion:${id}`;
  const subscription = mine.getSubscription(name) ?? mine.newSubscription(name);
  subscription.removeAllListeners();
  subscription.on('subscribed', (context) => {
    hear(context.data?.server_time);
    heard.offer(context.data.offer as Offer);
  });
  subscription.on('publication', (context) => heard.event(context.data));
  subscription.on('unsubscribed', (context) => context.code >= 2000 && heard.over());
  subscription.subscribe();
  return () => {
    subscription.unsubscribe();
    mine.removeSubscription(subscription);
  };
}

/** Begins: a connection for whoever is signed in, another one when that changes, and moves when the shopper does. */
export function start(): void {
  let person: string | undefined;
  let first = true;
  effect(() => {
    const next = session.value?.user.id;
    if (!first && next === person) return;
    first = false;
    person = next;
    untracked(() => {
      unread.value = 0;
      connect(next !== undefined);
    });
  });
  effect(() => {
    if (here.value && radius.value) untracked(() => void move());
  });
  addEventListener('offline', () => (connection.value = 'offline'));
  addEventListener('online', () => {
    // The SDK waits out its backoff; a network that is back is worth an attempt at once. Also where it never noticed: a
    // socket of the network that was may be dead without a word.
    if (!client) return;
    connection.value = 'reconnecting';
    client.disconnect();
    client.connect();
  });
}

