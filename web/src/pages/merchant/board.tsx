// A promotion's live board: how it sells this second, and the handles to pause, extend, restock and call it off.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { all, call, get, session } from '../../core/api';
import { now } from '../../core/clock';
import { compact, count, money, percent } from '../../core/format';
import { watch } from '../../core/live';
import { go } from '../../core/router';
import type { Offer, Promotion, SalesEvent, Stats, Store } from '../../core/types';
import { t } from '../../i18n';
import { Price, Tile } from '../../ui/deal';
import { Icon } from '../../ui/icons';
import { Countdown, Dialog, Refused, useAction } from '../../ui/kit';
import { Plot, type Series } from '../../ui/plot';
import { LatestClaims } from './latest-claims';
import { TONE } from './sales';
import { m } from './words';

/** Points that a chart keeps: ten minutes of one a second. */
const POINTS_MAX = 600;
const REFRESH_MS = 3000;

interface Live {
  promotion: Signal<Promotion | null>;
  stats: Signal<Stats | null>;
  rate: Signal<number>;
  /** Changes with every claim, confirm and return that the channel told of. */
  sales: Signal<string>;
  burn: Series;
  rates: Series;
  points: Signal<number>;
  failure: Signal<unknown>;
}

function push(series: Series, y: number): void {
  const x = now() / 1000;
  if ((series.x.at(-1) ?? 0) >= x) return;
  series.x.push(x);
  series.y.push(y);
  if (series.x.length > POINTS_MAX) {
    series.x.shift();
    series.y.shift();
  }
}

/** The promotion by its channel, with what only HTTP knows asked for every few seconds. */
function useBoard(id: string): Live & { load: () => Promise<void> } {
  const promotion = useSignal<Promotion | null>(null);
  const stats = useSignal<Stats | null>(null);
  const rate = useSignal(0);
  const sales = useSignal('');
  const points = useSignal(0);
  const failure = useSignal<unknown>(null);
  const series = useRef<{ burn: Series; rates: Series }>({ burn: { x: [], y: [] }, rates: { x: [], y: [] } }).current;
  const load = async () => {
    try {
      const [found, sold] = await Promise.all([get<Promotion>(`/promotions/${id}`), get<Stats>(`/promotions/${id}/stats`)]);
      if (found.v >= (promotion.peek()?.v ?? 0)) promotion.value = found;
      stats.value = sold;
      failure.value = null;
      if (series.burn.x.length === 0) push(series.burn, found.remaining);
      points.value += 1;
    } catch (error) {
      failure.value = error;
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => !document.hidden && void load(), REFRESH_MS);
    const merge = (next: Partial<Promotion> & { v: number }) => {
      const before = promotion.peek();
      if (!before || next.v < before.v) return;
      const merged = { ...before, ...next };
      promotion.value = { ...merged, sold: merged.stock - merged.remaining - merged.held };
      push(series.burn, merged.remaining);
      points.value += 1;
    };
    const hear = (offer: Offer) => {
      const { v, status, price, stock, remaining, held, starts_at, ends_at } = offer;
      merge({ v, status, price, stock, remaining, held, starts_at, ends_at });
    };
    const stop = watch(id, {
      offer: hear,
      event: (event) => {
        if (event.type === 'offer') hear(event.offer as Offer);
        else if (event.type === 'stock') merge({ v: event.v as number, remaining: event.remaining as number, held: event.held as number });
        else if (event.type === 'sales') {
          const told = event as unknown as SalesEvent;
          rate.value = told.per_second;
          sales.value = `${told.claims} ${told.held} ${told.sold}`;
          if (stats.peek()) stats.value = { ...(stats.peek() as Stats), viewers: told.viewers };
          push(series.rates, told.per_second);
          push(series.burn, promotion.peek()?.remaining ?? 0);
          points.value += 1;
        } else void load();
      },
      over: () => void load(),
    });
    return () => {
      clearInterval(timer);
      stop();
    };
  }, [id]);
  return { promotion, stats, rate, sales, points, failure, ...series, load };
}

/** Whether one may do more at a store than look and hand out; not before it is known. */
function useManages(store: string | undefined): boolean {
  const manages = useSignal(false);
  useEffect(() => {
    if (!store) return;
    const mine = (found: Store[]) => found.find((one) => one.id === store)?.your_role;
    all<Store>('/stores').then((found) => (manages.value = (mine(found) ?? 'clerk') !== 'clerk'), () => undefined);
  }, [store]);
  return manages.value;
}

function Stat({ label, value, tone, id }: { label: string; value: string; tone?: string; id?: string }) {
  return (
    <div class="card stat" data-tone={tone}>
      <dt>{label}</dt>
      <dd data-testid={id}>{value}</dd>
    </div>
  );
}

function Handles({ promotion, load }: { promotion: Promotion; load: () => Promise<void> }) {
  const action = useAction();
  const sure = useSignal(false);
  const act = (method: string, path: string, body?: unknown) =>
    action.run(async () => {
      await call(method, path, body);
      sure.value = false;
      if (method === 'DELETE' && path.startsWith('/promotions')) go(`/merchant/stores/${promotion.store_id}`);
      else await load();
    });
  const path = `/promotions/${promotion.id}`;
  const { status } = promotion;
  const open = status === 'live' || status === 'paused' || status === 'scheduled';
  const button = (label: string, run: () => void, primary = false) => (
    <button class={`button ${primary ? 'primary' : ''}`} type="button" disabled={action.busy} onClick={run}>
      {label}
    </button>
  );
  const extended = () => new Date(Math.max(Date.parse(promotion.ends_at), now()) + 15 * 60_000).toISOString();
  return (
    <div class="stack">
      <div class="row wrap">
        {status === 'draft' && button(m('board.publish'), () => act('POST', `${path}/publish`), true)}
        {status === 'live' && button(m('board.pause'), () => act('POST', `${path}/pause`))}
        {status === 'paused' && button(m('board.resume'), () => act('POST', `${path}/resume`), true)}
        {open && button(m('board.extend'), () => act('PATCH', path, { ends_at: extended() }))}
        {open && button(m('board.add-stock'), () => act('PATCH', path, { stock: promotion.stock + 10 }))}
        {open && (
          <button class="button danger" type="button" onClick={() => (sure.value = true)}>
            {m('board.cancel')}
          </button>
        )}
        {status === 'draft' && button(m('board.delete'), () => act('DELETE', path))}
        {promotion.series_id && (
          <a class="button" href={`/merchant/series/${promotion.series_id}`}>
            <Icon name="clock" size={18} />
            {m('board.daily')}
          </a>
        )}
      </div>
      <Refused error={action.error} />
      {sure.value && (
        <Dialog title={m('board.cancel')} onClose={() => (sure.value = false)}>
          <p>{m('board.cancel.sure')}</p>
          <button class="button danger block" type="button" disabled={action.busy} onClick={() => act('POST', `${path}/cancel`)}>
            {m('board.cancel')}
          </button>
        </Dialog>
      )}
    </div>
  );
}

export function Board({ id }: { id: string }) {
  const board = useBoard(id);
  const promotion = board.promotion.value;
  const manages = useManages(promotion?.store_id);
  const stats = board.stats.value;
  const v = board.points.value;
  if (!promotion) {
    return (
      <div class="page">
        {board.failure.value !== null ? <Refused error={board.failure.value} /> : <div class="spinner" role="status" aria-label={t('common.loading')} />}
      </div>
    );
  }
  const { stock, remaining, held, sold } = promotion;
  return (
    <div class="page" data-testid="board" data-person={session.value?.user.id}>
      <p class="small">
        <a href={`/merchant/stores/${promotion.store_id}`}>← {promotion.store_name}</a>
      </p>
      <header class="row wrap">
        <Tile name={promotion.product_name} image={promotion.image_url} />
        <div class="grow stack tight">
          <div class="row wrap">
            <h1>{promotion.product_name}</h1>
            <span class={`badge ${TONE[promotion.status]}`} data-testid="status">
              {m(`status.${promotion.status}`)}
            </span>
            {promotion.status === 'live' && <Countdown to={promotion.ends_at} label="deals.ends-in" />}
            {promotion.status === 'scheduled' && <Countdown to={promotion.starts_at} label="deals.starts-in" />}
          </div>
          <Price offer={promotion} />
        </div>
        {manages && <Handles promotion={promotion} load={board.load} />}
      </header>
      <Refused error={board.failure.value} />
      <dl class="tiles">
        <Stat label={m('board.remaining')} value={`${count(remaining)} / ${count(stock)}`} tone="flame" id="remaining" />
        <Stat label={m('board.held')} value={count(held)} id="held" />
        <Stat label={m('board.sold')} value={count(sold)} tone="good" id="sold" />
        <Stat label={m('board.viewers')} value={compact(stats?.viewers ?? 0)} id="viewers" />
        <Stat label={m('board.per-second')} value={count(board.rate.value)} id="rate" />
        <Stat label={m('board.conversion')} value={percent(stats?.conversion ?? 0)} id="conversion" />
        <Stat label={m('board.revenue')} value={money({ ...promotion.price, amount: promotion.price.amount * sold })} id="revenue" />
      </dl>
      <div class="charts">
        <section class="card padded chart">
          <h2>{m('board.burn')}</h2>
          <Plot series={board.burn} stepped v={v} about={m('board.burn.about', { remaining, stock })} />
        </section>
        <section class="card padded chart">
          <h2>{m('board.rate')}</h2>
          <Plot series={board.rates} v={v} about={m('board.rate')} />
        </section>
      </div>
      <LatestClaims id={id} sales={board.sales} />
    </div>
  );
}
