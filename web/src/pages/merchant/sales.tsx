// A store's flash sales, or the days of one series, what is on first.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../../core/api';
import { dateTime } from '../../core/format';
import type { Page, Promotion, PromotionStatus, Store } from '../../core/types';
import { t } from '../../i18n';
import { Price, Tile } from '../../ui/deal';
import { Countdown, Empty, Refused } from '../../ui/kit';
import { m } from './words';

const ORDER: PromotionStatus[] = ['live', 'paused', 'scheduled', 'draft', 'ended', 'cancelled'];
export const TONE: Record<PromotionStatus, string> = { live: 'good', paused: 'warn', scheduled: 'flame', draft: '', ended: '', cancelled: 'bad' };
const EVERY_MS = 5000;

export function Sales({ store, series }: { store: Store; series?: string }) {
  const sales = useSignal<Promotion[] | null>(null);
  const cursor = useSignal<string | null>(null);
  const asked = useSignal(false);
  const failure = useSignal<unknown>(null);
  const path = `/promotions?store_id=${store.id}${series ? `&series_id=${series}` : ''}&limit=40`;
  useEffect(() => {
    let stopped = false;
    const load = () =>
      get<Page<Promotion>>(path).then(
        (page) => {
          if (stopped) return;
          const fresh = new Set(page.items.map((one) => one.id));
          const older = (sales.value ?? []).filter((one) => !fresh.has(one.id));
          sales.value = [...page.items, ...older];
          if (!asked.value) cursor.value = page.next_cursor;
        },
        (error) => !stopped && (failure.value = error),
      );
    void load();
    const timer = setInterval(() => !document.hidden && void load(), EVERY_MS);
    return () => {
      stopped = true;
      clearInterval(timer);
    };
  }, [store.id]);
  const more = () =>
    void get<Page<Promotion>>(`${path}&cursor=${encodeURIComponent(cursor.value ?? '')}`).then(
      (page) => {
        asked.value = true;
        sales.value = [...(sales.value ?? []), ...page.items];
        cursor.value = page.next_cursor;
      },
      (error) => (failure.value = error),
    );
  const list = [...(sales.value ?? [])].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || b.starts_at.localeCompare(a.starts_at));
  return (
    <div class="stack">
      <Refused error={failure.value} />
      {sales.value?.length === 0 && (
        <Empty icon="bolt" title={m('sales.none')}>
          <p>{m('sales.none.lead')}</p>
        </Empty>
      )}
      {list.map((sale) => (
        <a class="card sale" key={sale.id} href={`/merchant/promotions/${sale.id}`} data-testid="sale" data-status={sale.status}>
          <Tile name={sale.product_name} image={sale.image_url} />
          <div class="stack tight">
            <div class="row wrap names">
              <h3 class="clip">{sale.product_name}</h3>
              <span class={`badge ${TONE[sale.status]}`}>{m(`status.${sale.status}`)}</span>
              {sale.series_id && <span class="badge">{m('board.daily')}</span>}
            </div>
            <Price offer={sale} />
          </div>
          <div class="stack tight end">
            {sale.status === 'live' && <Countdown to={sale.ends_at} label="deals.ends-in" />}
            {sale.status === 'scheduled' && <Countdown to={sale.starts_at} label="deals.starts-in" />}
            {sale.status !== 'live' && sale.status !== 'scheduled' && <span class="small muted">{dateTime(sale.starts_at)}</span>}
            <span class="small num">{t('deals.of-stock', { remaining: sale.remaining, stock: sale.stock })}</span>
            <div class="bar" aria-hidden="true">
              <i style={{ width: `${(100 * sale.remaining) / sale.stock}%` }} />
            </div>
          </div>
        </a>
      ))}
      {cursor.value && (
        <button class="button" type="button" onClick={more}>
          {t('common.more')}
        </button>
      )}
    </div>
  );
}
