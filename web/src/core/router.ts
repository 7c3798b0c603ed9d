// Which page is shown: the path as a signal. The server answers each of these paths with the same document.
import { computed, signal } from '@preact/signals';

/** The path of the page. */
export const path = signal(location.pathname);
/** Its parts, without empty ones. */
export const parts = computed(() => path.value.split('/').filter(Boolean).map(decodeURIComponent));

addEventListener('popstate', () => (path.value = location.pathname));

/** Goes to a page of the app. */
export function go(to: string, { replace = false } = {}): void {
  if (to === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  path.value = location.pathname;
  scrollTo(0, 0);
  // A screen reader continues at the new page, not in the middle of the old one's navigation.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true }));
}

// Plain links are links of the app where they lead to its pages.
const ELSEWHERE = /^\/(api|docs|openapi\.json|metrics|healthz|readyz|assets)/;
document.addEventListener('click', (event) => {
  const link = (event.target as Element | null)?.closest?.('a');
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (ELSEWHERE.test(link.pathname) || link.getAttribute('href')?.startsWith('#')) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
