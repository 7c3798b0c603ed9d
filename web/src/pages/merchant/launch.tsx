// Launching a flash sale: now, at a set time, or every day; with its reach as cells on the map.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { all, create, get } from '../../core/api';
import { now } from '../../core/clock';
import { count, metres, money, discountPercent } from '../../core/format';
import { freshKey } from '../../core/ids';
import { go } from '../../core/router';
import type { Page, Product, Promotion, Stats, Store } from '../../core/types';
import { t } from '../../i18n';
import { PickMap } from '../../map/pick-map';
import { Icon } from '../../ui/icons';
import { Empty, Field, fieldErrors, Refused, useAction } from '../../ui/kit';
import { ProductDialog, minor } from './products';
import { Daily, dailyOf, Details, local, NoDiscount, Reach, termsOf } from './terms';
import { m } from './words';

type When = 'now' | 'scheduled' | 'daily';
/** Shoppers per square metre where a sale of this store is live; null where none is. */
async function density(store: Store): Promise<number | null> {
  const live = await get<Page<Promotion>>(`/promotions?store_id=${store.id}&status=live&limit=5`);
  const found = await Promise.all(
    live.items.map(async (one) => (await get<Stats>(`/promotions/${one.id}/stats`)).viewers / (Math.PI * one.reach_m ** 2)),
  );
  return found.length > 0 ? Math.max(...found) : null;
}

function body(form: FormData, when: When, reach: number, segments: string[], product: Product, timezone: string, draft: boolean) {
  const text = (name: string) => String(form.get(name) ?? '').trim();
  const window =
    when === 'daily'
      ? { daily: dailyOf(form, timezone) }
      : when === 'scheduled'
        ? { starts_at: new Date(text('starts')).toISOString(), ends_at: new Date(text('ends')).toISOString() }
        : { ends_at: new Date(now() + Number(text('minutes') || '30') * 60_000).toISOString() };
  const { category, segments: chosen, ...terms } = termsOf(form, product.price.currency, reach, segments);
  return {
    product_id: product.id,
    ...terms,
    ...(chosen.length > 0 ? { segments: chosen } : {}),
    ...(category ? { category } : {}),
    ...(draft ? { draft: true } : {}),
    ...window,
  };
}

function Window({ when, zone, errors }: { when: When; zone: string; errors: Record<string, string> }) {
  const start = now();
  if (when === 'now') return <Field label={m('launch.minutes')} name="minutes" type="number" min={1} max={129_600} required defaultValue="30" error={errors['/ends_at']} />;
  const lead = <p class="muted small">{m('launch.zone', { zone: when === 'daily' ? zone : Intl.DateTimeFormat().resolvedOptions().timeZone })}</p>;
  if (when === 'daily') {
    return (
      <>
        <Daily errors={errors} />
        {lead}
      </>
    );
  }
  return (
    <>
      <div class="columns">
        <Field label={m('launch.starts')} name="starts" type="datetime-local" step={1} required defaultValue={local(start + 600_000)} error={errors['/starts_at']} />
        <Field label={m('launch.ends')} name="ends" type="datetime-local" step={1} required defaultValue={local(start + 4_200_000)} error={errors['/ends_at']} />
      </div>
      {lead}
    </>
  );
}

function Preview({ store, reach }: { store: Store; reach: number }) {
  const cells = useSignal(0);
  const perArea = useSignal<number | null>(null);
  useEffect(() => {
    density(store).then((found) => (perArea.value = found), () => undefined);
  }, [store.id]);
  const estimate = perArea.value === null ? null : Math.round(perArea.value * Math.PI * reach ** 2);
  return (
    <div class="preview stack tight">
      <PickMap label={m('launch.reach', { distance: metres(reach) })} place={store.location} reach={reach} fixed onCover={(n) => (cells.value = n)} />
      <p class="small muted row">
        <Icon name="people" size={16} />
        <span data-testid="estimate">
          {m(cells.value === 1 ? 'launch.cells.one' : 'launch.cells', { n: cells.value })} · {estimate === null ? m('launch.no-estimate') : m(estimate === 1 ? 'launch.estimate.one' : 'launch.estimate', { n: count(estimate) })}
        </span>
      </p>
    </div>
  );
}

export function Launch({ store }: { store: Store }) {
  const products = useSignal<Product[] | null>(null);
  const chosen = useSignal<string | null>(null);
  const when = useSignal<When>('now');
  const reach = useSignal(5000);
  const price = useSignal('');
  const segments = useSignal<string[]>([]);
  const adding = useSignal(false);
  const action = useAction();
  const errors = fieldErrors(action.error);
  const key = useSignal(freshKey());
  useEffect(() => {
    all<Product>(`/stores/${store.id}/products`).then((found) => (products.value = found.filter((one) => one.available)), () => undefined);
  }, [store.id]);
  const product = products.value?.find((one) => one.id === chosen.value) ?? products.value?.[0];
  const submit = (form: HTMLFormElement, draft: boolean) => {
    if (!product) return;
    action.run(async () => {
      const wanted = body(new FormData(form), when.value, reach.value, segments.value, product, store.timezone, draft);
      const made = await create<Promotion>(`/stores/${store.id}/promotions`, wanted, key.value).catch((error: unknown) => {
        key.value = freshKey();
        throw error;
      });
      go(`/merchant/promotions/${made.id}`);
    });
  };
  const asked = product && price.value ? minor(price.value, product.price.currency) : NaN;
  const off = product && asked > 0 ? discountPercent({ ...product.price, amount: asked }, product.price) : 0;
  const productDialog = adding.value && (
    <ProductDialog
      store={store}
      currency={product?.price.currency ?? 'COP'}
      onClose={() => (adding.value = false)}
      onDone={(made) => {
        adding.value = false;
        products.value = [made, ...(products.value ?? [])];
        chosen.value = made.id;
      }}
    />
  );
  if (products.value?.length === 0) {
    return (
      <Empty icon="box" title={m('products.none')}>
        <p>{m('products.none.lead')}</p>
        <button class="button primary" type="button" onClick={() => (adding.value = true)}>
          {m('products.new')}
        </button>
        {productDialog}
      </Empty>
    );
  }
  return (
    <div class="split">
      <form
        class="card padded stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit(event.currentTarget, (event.submitter as HTMLButtonElement | null)?.value === 'draft');
        }}
      >
        <h2>{m('launch')}</h2>
        <div class="row low">
          <div class="grow">
            <Field label={m('launch.product')} value={product?.id ?? ''} onChange={(event) => (chosen.value = event.currentTarget.value)} error={errors['/product_id']}>
              {products.value?.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.name} · {money(one.price)}
                </option>
              ))}
            </Field>
          </div>
          <button class="button icon" type="button" aria-label={m('products.new')} onClick={() => (adding.value = true)}>
            <Icon name="plus" />
          </button>
        </div>
        <div class="columns">
          <Field
            label={`${m('launch.price')}${product ? ` (${product.price.currency})` : ''}`}
            name="price"
            inputMode="decimal"
            pattern="[0-9]+([.,][0-9]+)?"
            required
            value={price.value}
            onInput={(event) => (price.value = event.currentTarget.value)}
            hint={off > 0 ? t('deals.off.long', { percent: off }) : undefined}
            error={errors['/price/amount'] ?? errors['/price']}
          />
          <Field label={m('launch.stock')} name="stock" type="number" min={1} max={1_000_000} required defaultValue="50" error={errors['/stock']} />
        </div>
        <NoDiscount asked={asked} regular={product?.price} />
        <div class="plain" role="group" aria-label={m('launch.when')}>
          <span class="legend">{m('launch.when')}</span>
          <div class="row wrap">
            {(['now', 'scheduled', 'daily'] as When[]).map((name) => (
              <button key={name} class="chip" type="button" aria-pressed={when.value === name} onClick={() => (when.value = name)}>
                {m(`launch.${name}` as 'launch.now')}
              </button>
            ))}
          </div>
        </div>
        <Window key={when.value} when={when.value} zone={store.timezone} errors={errors} />
        <Reach reach={reach} errors={errors} />
        <Details segments={segments} errors={errors} />
        <Refused error={action.error} />
        <div class="row">
          <button class="button primary big grow" type="submit" disabled={action.busy}>
            <Icon name="bolt" fill />
            {m('launch.submit')}
          </button>
          {when.value !== 'daily' && (
            <button class="button big" type="submit" value="draft" disabled={action.busy}>
              {m('launch.draft')}
            </button>
          )}
        </div>
      </form>
      <Preview store={store} reach={reach.value} />
      {productDialog}
    </div>
  );
}
