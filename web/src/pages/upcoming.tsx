// Deals nearby that have not started: they are not on the live channel yet, so they are asked for now and then.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../core/api';
import { deals } from '../core/deals';
import { metres } from '../core/format';
import { here, radius } from '../core/place';
import type { Page, Promotion } from '../core/types';
import { t } from '../i18n';
import { Price, Tile } from '../ui/deal';
import { Countdown } from '../ui/kit';

const EVERY_MS = 30_000;

export function Upcoming({ onOpen }: { onOpen: (id: string) => void }) {
  const found = useSignal<Promotion[]>([]);
  const place = here.value;
  const asked = place && `lat=${place.lat.toFixed(4)}&lng=${place.lng.toFixed(4)}&radius_m=${radius.value}`;
  useEffect(() => {
    if (!asked) return;
    let stopped = false;
    const load = () =>
      get<Page<Promotion>>(`/promotions?${asked}&status=scheduled&limit=10`).then(
        (page) => !stopped && (found.value = page.items),
        () => undefined,
      );
    void load();
    const timer = setInterval(load, EVERY_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [asked]);
  const on = new Set(deals.value.map((deal) => deal.id));
  const coming = found.value.filter((one) => !on.has(one.id)).sort((a, b) => a.starts_at.localeCompare(b.starts_at));
  if (coming.length === 0) return null;
  return (
    <section class="stack" aria-label={t('deals.upcoming')}>
      <h2>{t('deals.upcoming')}</h2>
      {coming.map((one) => (
        <article class="card deal" key={one.id} data-testid="upcoming" data-id={one.id} onClick={() => onOpen(one.id)}>
          <Tile name={one.product_name} image={one.image_url} />
          <div class="stack tight">
            <h3 class="clip">
              <button class="bare" type="button" onClick={() => onOpen(one.id)}>
                {one.product_name}
              </button>
            </h3>
            <p class="small muted clip">
              {one.store_name}
              {one.distance_m !== undefined && ` · ${metres(one.distance_m)}`}
            </p>
            <Price offer={one} />
            <p class="small">
              <Countdown to={one.starts_at} label="deals.starts-in" spelt />
            </p>
          </div>
        </article>
      ))}
    </section>
  );
}
