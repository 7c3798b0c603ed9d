// A daily series: what its coming days will be, to edit; its occurrences; and ending it.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { all, call, get } from '../../core/api';
import type { Money, Product, Store } from '../../core/types';
import { t } from '../../i18n';
import { Icon } from '../../ui/icons';
import { Dialog, Field, fieldErrors, Refused, say, useAction } from '../../ui/kit';
import { decimal, minor } from './products';
import { Sales } from './sales';
import { Daily, dailyOf, Details, NoDiscount, Reach, termsOf, type DailyWindow, type Terms } from './terms';
import { m } from './words';

interface Series extends Terms {
  id: string;
  store_id: string;
  product_id: string;
  original_price: Money;
  daily: DailyWindow;
  last_date: string | null;
  status: 'running' | 'cancelled';
}

function Editor({ series, onSaved }: { series: Series; onSaved: (series: Series) => void }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  const reach = useSignal(series.reach_m);
  const segments = useSignal(series.segments);
  const { currency } = series.price;
  const price = useSignal(decimal(series.price.amount, currency));
  const save = (form: FormData) =>
    action.run(async () => {
      const body = { ...termsOf(form, currency, reach.value, segments.value), daily: dailyOf(form, series.daily.timezone) };
      onSaved(await call<Series>('PATCH', `/series/${series.id}`, body));
      say(t('common.saved'));
    });
  return (
    <form
      class="card padded stack"
      onSubmit={(event) => {
        event.preventDefault();
        save(new FormData(event.currentTarget));
      }}
    >
      <h2>{m('series.days')}</h2>
      <p class="muted small">{m('series.lead', { zone: series.daily.timezone })}</p>
      <Daily given={series.daily} errors={errors} />
      <div class="columns">
        <Field
          label={`${m('launch.price')} (${currency})`}
          name="price"
          inputMode="decimal"
          pattern="[0-9]+([.,][0-9]+)?"
          required
          value={price.value}
          onInput={(event) => (price.value = event.currentTarget.value)}
          error={errors['/price/amount'] ?? errors['/price']}
        />
        <Field label={m('launch.stock')} name="stock" type="number" min={1} max={1_000_000} required defaultValue={series.stock} error={errors['/stock']} />
      </div>
      <NoDiscount asked={price.value ? minor(price.value, currency) : NaN} regular={series.original_price} />
      <Reach reach={reach} errors={errors} />
      <Details given={series} segments={segments} errors={errors} />
      <Refused error={action.error} />
      <button class="button primary big" type="submit" disabled={action.busy}>
        {t('common.save')}
      </button>
    </form>
  );
}

function Stop({ series, onStopped }: { series: Series; onStopped: () => void }) {
  const sure = useSignal(false);
  const action = useAction();
  const stop = () =>
    action.run(async () => {
      await call('DELETE', `/series/${series.id}`);
      sure.value = false;
      onStopped();
    });
  return (
    <>
      <button class="button danger" type="button" onClick={() => (sure.value = true)}>
        {m('board.end-series')}
      </button>
      {sure.value && (
        <Dialog title={m('board.end-series')} onClose={() => (sure.value = false)}>
          <p>{m('series.end.sure')}</p>
          <Refused error={action.error} />
          <button class="button danger block" type="button" disabled={action.busy} onClick={stop}>
            {m('board.end-series')}
          </button>
        </Dialog>
      )}
    </>
  );
}

export function SeriesPage({ id }: { id: string }) {
  const series = useSignal<Series | null>(null);
  const store = useSignal<Store | null>(null);
  const product = useSignal<Product | null>(null);
  const failure = useSignal<unknown>(null);
  const load = async () => {
    try {
      const found = await get<Series>(`/series/${id}`);
      const [stores, sold] = await Promise.all([all<Store>('/stores'), get<Product>(`/products/${found.product_id}`).catch(() => null)]);
      store.value = stores.find((one) => one.id === found.store_id) ?? (await get<Store>(`/stores/${found.store_id}`));
      product.value = sold;
      series.value = found;
    } catch (error) {
      failure.value = error;
    }
  };
  useEffect(() => void load(), [id]);
  const [found, at] = [series.value, store.value];
  if (!found || !at) {
    return (
      <div class="page">
        <Refused error={failure.value} />
      </div>
    );
  }
  const isRunning = found.status === 'running';
  const edits = isRunning && at.your_role !== 'clerk';
  return (
    <div class="page" data-testid="series">
      <p class="small">
        <a href={`/merchant/stores/${at.id}`}>← {at.name}</a>
      </p>
      <header class="row apart wrap">
        <div>
          <div class="row wrap">
            <h1>{product.value?.name ?? m('board.daily')}</h1>
            <span class={`badge ${isRunning ? 'good' : ''}`} data-testid="series-status">
              {m(isRunning ? 'series.running' : 'series.over')}
            </span>
          </div>
          <p class="muted row">
            <Icon name="clock" size={16} />
            {m('series.daily', { from: found.daily.from, to: found.daily.to })}
          </p>
        </div>
        {edits && <Stop series={found} onStopped={() => void load()} />}
      </header>
      {!isRunning && <p class="notice">{m('series.ended')}</p>}
      <div class={edits ? 'split' : 'stack'}>
        {edits && <Editor series={found} onSaved={(next) => (series.value = next)} />}
        <section class="stack">
          <h2>{m('tab.sales')}</h2>
          <Sales key={JSON.stringify(found)} store={at} series={found.id} />
        </section>
      </div>
    </div>
  );
}
