// A deal as a card, and the parts of it that other pages show too.
import { useComputed, useSignal, useSignalEffect, type ReadonlySignal } from '@preact/signals';
import { discountPercent, metres, money } from '../core/format';
import { distance } from '../core/geo';
import type { Deal } from '../core/deals';
import { here } from '../core/place';
import type { Offer } from '../core/types';
import { plural, t } from '../i18n';
import { Icon } from './icons';
import { Countdown } from './kit';

/** A picture of the product, or its first letters on a colour of its own. */
export function Tile({ name, image }: { name: string; image?: string | undefined | null }) {
  const failed = useSignal(false);
  const hue = [...name].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973, 7) % 6;
  const letters = name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0]?.toUpperCase() ?? '')
    .join('');
  return (
    <div class="tile" data-hue={hue} aria-hidden="true">
      {image && !failed.value ? (
        <img src={image} alt="" loading="lazy" referrerpolicy="no-referrer" onError={() => (failed.value = true)} />
      ) : (
        letters
      )}
    </div>
  );
}

export function Price({ offer, large = false }: { offer: Pick<Offer, 'price' | 'original_price'>; large?: boolean }) {
  const off = discountPercent(offer.price, offer.original_price);
  return (
    <p class={large ? 'price large' : 'price'}>
      <strong class="num">{money(offer.price)}</strong>
      {off > 0 && (
        <>
          <s class="num">
            <span class="vh">{t('deals.was')} </span>
            {money(offer.original_price)}
          </s>
          <span class="badge sun">
            <span aria-hidden="true">{t('deals.off', { percent: off })}</span>
            <span class="vh">{t('deals.off.long', { percent: off })}</span>
          </span>
        </>
      )}
    </p>
  );
}

/** Segments in words, in a row. */
export function segmentWords(segments: string[]): string {
  return segments.map((one) => t(`segment.${one}` as 'segment.new')).join(', ');
}

/** What is left, in words. */
export function stockWords(offer: Offer): string {
  if (offer.remaining === 0) return t(offer.held > 0 ? 'deals.all-held' : 'deals.sold-out');
  const last = offer.remaining <= 3 && offer.remaining < offer.stock;
  return plural(last ? 'deals.last' : 'deals.left', offer.remaining);
}

export function stockLevel(offer: Offer): 'out' | 'low' | 'fine' {
  if (offer.remaining === 0) return 'out';
  return offer.remaining / offer.stock <= 0.25 ? 'low' : 'fine';
}

/** What is left, as a bar and in words, live. */
export function Stock({ offer }: { offer: ReadonlySignal<Offer> }) {
  const words = useComputed(() => stockWords(offer.value));
  const level = useComputed(() => stockLevel(offer.value));
  const remaining = useComputed(() => `width:${(100 * offer.value.remaining) / offer.value.stock}%`);
  const held = useComputed(() => `width:${(100 * offer.value.held) / offer.value.stock}%`);
  const before = useSignal(offer.value.remaining);
  const bump = useSignal(false);
  useSignalEffect(() => {
    const now = offer.value.remaining;
    if (now === before.peek()) return;
    before.value = now;
    bump.value = true;
  });
  return (
    <div class="stock">
      <div class="line">
        <span
          data-testid="stock"
          class={useComputed(() => (bump.value ? 'num bump' : 'num'))}
          onAnimationEnd={() => (bump.value = false)}
        >
          {words}
        </span>
        <Countdown to={offer.value.ends_at} label="deals.ends-in" />
      </div>
      <div class="bar" data-level={level} aria-hidden="true">
        <i style={remaining} />
        <i class="held" style={held} />
      </div>
    </div>
  );
}

const FRESH_MS = 4000;

export function DealCard({ deal, onOpen }: { deal: Deal; onOpen: (id: string) => void }) {
  // What can't change while it runs is drawn once; stock and time draw themselves.
  const v = useComputed(() => JSON.stringify({ ...deal.offer.value, v: 0, remaining: 0, held: 0 }));
  void v.value;
  const offer = deal.offer.peek();
  const place = here.value;
  const isOut = useComputed(() => String(deal.offer.value.remaining === 0));
  return (
    <article class="card deal" data-testid="deal" data-id={deal.id} data-out={isOut} data-fresh={Date.now() - deal.since < FRESH_MS} onClick={() => onOpen(deal.id)}>
      <Tile name={offer.product.name} image={offer.product.image_url} />
      <div class="stack tight">
        <div>
          <h3 class="clip">
            <button
              class="bare"
              type="button"
              onClick={(event) => {
                event.stopPropagation();
                onOpen(deal.id);
              }}
            >
              {offer.product.name}
            </button>
          </h3>
          <p class="small muted clip">
            {offer.store.name}
            {place && (
              <>
                {' · '}
                <span class="num">{metres(distance(place, offer.store.location))}</span>
              </>
            )}
          </p>
        </div>
        <Price offer={offer} />
      </div>
      <Stock offer={deal.offer} />
      {offer.segments.length > 0 && (
        <p class="small muted row who">
          <Icon name="people" size={15} />
          {t('deals.segments', { segments: segmentWords(offer.segments) })}
        </p>
      )}
    </article>
  );
}
