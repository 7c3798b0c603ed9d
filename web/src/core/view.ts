// What the shopper looks at: order, filters, and the deals that follow from them. The list and the map read the same.
import { computed, signal } from '@preact/signals';
import { session } from './api';
import { deals, type Deal } from './deals';
import { discountPercent } from './format';
import { distance } from './geo';
import { here } from './place';

export type Sort = 'distance' | 'time' | 'discount';
export const sort = signal<Sort>('distance');
export const filter = signal<'all' | 'available' | 'for-me'>('all');
export const search = signal('');

function matches(deal: Deal): boolean {
  const offer = deal.offer.value;
  if (filter.value === 'available' && offer.remaining === 0) return false;
  if (filter.value === 'for-me') {
    const segment = session.value?.user.segment;
    if (offer.segments.length > 0 && segment && !offer.segments.includes(segment)) return false;
    if (offer.claim_within_m !== undefined && here.value && distance(here.value, offer.store.location) > offer.claim_within_m) return false;
  }
  const wanted = search.value.trim().toLowerCase();
  if (!wanted) return true;
  return `${offer.product.name} ${offer.store.name} ${offer.category ?? ''}`.toLowerCase().includes(wanted);
}

const ORDER: Record<Sort, (deal: Deal) => number> = {
  distance: (deal) => (here.value ? distance(here.value, deal.offer.peek().store.location) : 0),
  time: (deal) => Date.parse(deal.offer.peek().ends_at),
  discount: (deal) => -discountPercent(deal.offer.peek().price, deal.offer.peek().original_price),
};

/** What is shown, in its order. Stock changes don't move it about unless a filter looks at stock. */
export const visible = computed(() => {
  const filters = filter.value !== 'all' || search.value !== '';
  const key = ORDER[sort.value];
  return (filters ? deals.value.filter(matches) : deals.value)
    .map((deal) => ({ deal, key: key(deal) }))
    .sort((a, b) => a.key - b.key || a.deal.id.localeCompare(b.deal.id))
    .map(({ deal }) => deal);
});
