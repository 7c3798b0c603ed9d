// HTTP calls with the session's token: refreshes it once where it has ended, turns problems into `Problem`. It knows
// nothing about what the routes mean.
import { signal } from '@preact/signals';
import { freshKey } from './ids';
import type { ProblemBody, SignedIn, User } from './types';

const BASE = '/api/v1';
const KEPT = 'flash.session';

/** A refusal or a failure, with the server's words for it. */
export class Problem extends Error {
  constructor(readonly body: ProblemBody) {
    super(body.detail || body.title);
    this.name = 'Problem';
  }

  get code(): string {
    return this.body.code;
  }

  get status(): number {
    return this.body.status;
  }
}

interface Session {
  user: User;
  access_token: string;
  refresh_token: string;
  /** Milliseconds of this device's clock. */
  ends_at: number;
}

/** Who is signed in. */
export const session = signal<Session | null>(restore());

/** The language of the server's answers. */
let language = 'en';
export function speak(tag: string): void {
  language = tag;
}

function restore(): Session | null {
  try {
    const text = localStorage.getItem(KEPT);
    return text ? (JSON.parse(text) as Session) : null;
  } catch {
    return null;
  }
}

function keep(next: Session | null): void {
  session.value = next;
  try {
    if (next) localStorage.setItem(KEPT, JSON.stringify(next));
    else localStorage.removeItem(KEPT);
  } catch {
    // Without storage the session ends with the tab.
  }
}

// Another tab signed in, out, or refreshed: its refresh token is the one that counts.
addEventListener('storage', (event) => {
  if (event.key === KEPT) session.value = restore();
});

export function begin(signed: SignedIn): void {
  keep({
    user: signed.user,
    access_token: signed.access_token,
    refresh_token: signed.refresh_token,
    ends_at: Date.now() + signed.expires_in * 1000,
  });
}

export function setUser(user: User): void {
  if (session.value) keep({ ...session.value, user });
}

/** Asks who one is now: confirming a claim may put one into another segment. */
export async function refreshUser(): Promise<void> {
  const user = await get<User>('/me');
  // Somebody else may have signed in meanwhile.
  if (session.value?.user.id === user.id) setUser(user);
}

export async function signOut(): Promise<void> {
  const token = session.value?.refresh_token;
  keep(null);
  if (token) await send('POST', '/auth/logout', { refresh_token: token }).catch(() => undefined);
}

let refreshing: Promise<boolean> | null = null;

/** Gets a fresh access token; false where the session is over. A failed network leaves the session as it is. */
export function refresh(): Promise<boolean> {
  refreshing ??= (async () => {
    const token = session.value?.refresh_token;
    if (!token) return false;
    try {
      begin(await send<SignedIn>('POST', '/auth/refresh', { refresh_token: token }));
      return true;
    } catch (error) {
      if (error instanceof Problem && error.status === 401 && session.value?.refresh_token === token) keep(null);
      if (error instanceof Problem && error.status === 401) return session.value !== null;
      throw error;
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

/** An access token that is good for a while yet; empty without a session. */
export async function accessToken(): Promise<string> {
  if (!session.value) return '';
  if (session.value.ends_at - Date.now() < 30_000) await refresh();
  return session.value?.access_token ?? '';
}

async function send<T>(method: string, path: string, body?: unknown, extra: Record<string, string> = {}): Promise<T> {
  const headers: Record<string, string> = { 'Accept-Language': language, ...extra };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(BASE + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    throw new Problem({ status: 0, code: 'offline', title: 'offline', detail: '' });
  }
  if (response.ok) {
    if (response.status === 204) return undefined as T;
    const isJson = response.headers.get('Content-Type')?.includes('json');
    return (isJson ? await response.json() : await response.text()) as T;
  }
  const fallback = { status: response.status, code: 'unavailable', title: response.statusText, detail: response.statusText };
  throw new Problem(await response.json().catch(() => fallback));
}

/** Calls a route below /api/v1 as whoever is signed in. */
export async function call<T>(method: string, path: string, body?: unknown, extra: Record<string, string> = {}): Promise<T> {
  const token = await accessToken();
  const bearer = (text: string) => (text ? { ...extra, Authorization: `Bearer ${text}` } : extra);
  try {
    return await send<T>(method, path, body, bearer(token));
  } catch (error) {
    const ended = error instanceof Problem && error.status === 401 && token !== '';
    if (!ended) throw error;
    // Signed out while it was on its way, or over for good: the caller is told as a visitor would be.
    await refresh();
    return await send<T>(method, path, body, bearer(session.value?.access_token ?? ''));
  }
}

export const get = <T>(path: string) => call<T>('GET', path);

/** A POST that creates, safe to repeat: the key makes a retry the same request. */
export function create<T>(path: string, body: unknown, key: string = freshKey()): Promise<T> {
  return call<T>('POST', path, body, { 'Idempotency-Key': key });
}

/** All pages of a list, up to `most` items. */
export async function all<T>(path: string, most = 1000): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const join: string = path.includes('?') ? '&' : '?';
    const page: { items: T[]; next_cursor: string | null } = await get(
      `${path}${join}limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    );
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}
