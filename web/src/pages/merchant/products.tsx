// What a store sells.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { all, call, create } from '../../core/api';
import { minorDigits, money } from '../../core/format';
import { freshKey } from '../../core/ids';
import type { Product, Store } from '../../core/types';
import { t } from '../../i18n';
import { Tile } from '../../ui/deal';
import { Icon } from '../../ui/icons';
import { Dialog, Empty, Field, fieldErrors, reason, Refused, say, useAction } from '../../ui/kit';
import { m } from './words';

/** Decimal text of a person as minor units. */
export function minor(text: string, currency: string): number {
  return Math.round(Number(text.replace(',', '.')) * 10 ** minorDigits(currency));
}

export function decimal(amount: number, currency: string): string {
  return String(amount / 10 ** minorDigits(currency));
}

export function ProductDialog({ store, product, currency, onClose, onDone, onRemoved }: { store: Store; product?: Product | undefined; currency: string; onClose: () => void; onDone: (product: Product) => void; onRemoved?: () => void }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  const submit = (form: FormData) => {
    const code = String(form.get('currency')).trim().toUpperCase();
    const image = String(form.get('image') ?? '').trim();
    const body = {
      name: form.get('name'),
      description: form.get('description'),
      price: { amount: minor(String(form.get('price')), code), currency: code },
      ...(image || product ? { image_url: image || null } : {}),
      ...(product ? { available: form.get('available') !== null } : {}),
    };
    action.run(async () => {
      onDone(product ? await call<Product>('PATCH', `/products/${product.id}`, body) : await create<Product>(`/stores/${store.id}/products`, body, freshKey()));
    });
  };
  const price = product?.price;
  return (
    <Dialog title={product?.name ?? m('products.new')} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit(new FormData(event.currentTarget));
        }}
      >
        <Field label={m('products.name')} name="name" required defaultValue={product?.name} error={errors['/name']} />
        <Field label={m('products.description')} name="description" required defaultValue={product?.description} error={errors['/description']} />
        <div class="columns">
          <Field
            label={m('products.price')}
            name="price"
            inputMode="decimal"
            pattern="[0-9]+([.,][0-9]+)?"
            required
            defaultValue={price ? decimal(price.amount, price.currency) : undefined}
            error={errors['/price/amount'] ?? errors['/price']}
          />
          <Field label={m('products.currency')} name="currency" required maxLength={3} minLength={3} defaultValue={price?.currency ?? currency} error={errors['/price/currency']} />
        </div>
        <Field label={`${m('products.image')} (${t('common.optional')})`} name="image" type="url" defaultValue={product?.image_url ?? ''} error={errors['/image_url']} />
        {product && (
          <label class="row apart switch">
            <span>{m('products.available')}</span>
            <input type="checkbox" role="switch" name="available" defaultChecked={product.available} />
          </label>
        )}
        <Refused error={action.error} />
        <button class="button primary big" type="submit" disabled={action.busy}>
          {t('common.save')}
        </button>
      </form>
      {product && onRemoved && <RemoveProduct product={product} onRemoved={onRemoved} />}
    </Dialog>
  );
}

function Shown({ product }: { product: Product }) {
  return (
    <>
      <Tile name={product.name} image={product.image_url} />
      <span class="grow">
        <strong class="clip block">{product.name}</strong>
        <span class="small muted clip block">{product.description}</span>
        <strong class="num">{money(product.price)}</strong> {!product.available && <span class="badge warn">{m('products.unavailable')}</span>}
      </span>
    </>
  );
}

/** Removing a product, after a second thought. */
function RemoveProduct({ product, onRemoved }: { product: Product; onRemoved: () => void }) {
  const sure = useSignal(false);
  const action = useAction();
  const remove = () =>
    action.run(async () => {
      await call('DELETE', `/products/${product.id}`);
      say(m('products.removed', { name: product.name }));
      onRemoved();
    });
  return (
    <div class="stack">
      {sure.value && <p>{m('products.remove.sure')}</p>}
      <Refused error={action.error} />
      <button class="button danger" type="button" disabled={action.busy} onClick={() => (sure.value ? remove() : (sure.value = true))}>
        {m(sure.value ? 'products.remove.yes' : 'products.remove')}
      </button>
    </div>
  );
}

/** `edits`: whether the reader may change what is sold. */
export function Products({ store, edits }: { store: Store; edits: boolean }) {
  const products = useSignal<Product[] | null>(null);
  const editing = useSignal<Product | 'new' | null>(null);
  const load = () => all<Product>(`/stores/${store.id}/products`).then((found) => (products.value = found), (error) => say(reason(error)));
  useEffect(() => void load(), [store.id]);
  const done = () => {
    editing.value = null;
    void load();
  };
  const currency = products.value?.[0]?.price.currency ?? 'COP';
  return (
    <div class="stack">
      <div class="row apart">
        <h2>{m('tab.products')}</h2>
        {edits && (
          <button class="button" type="button" onClick={() => (editing.value = 'new')}>
            <Icon name="plus" size={18} />
            {m('products.new')}
          </button>
        )}
      </div>
      {products.value?.length === 0 && (
        <Empty icon="box" title={m('products.none')}>
          <p>{m('products.none.lead')}</p>
        </Empty>
      )}
      <ul class="store-grid">
        {products.value?.map((product) => (
          <li key={product.id}>
            {edits ? (
              <button class="choice card" type="button" onClick={() => (editing.value = product)}>
                <Shown product={product} />
              </button>
            ) : (
              <div class="choice card still">
                <Shown product={product} />
              </div>
            )}
          </li>
        ))}
      </ul>
      {editing.value && (
        <ProductDialog
          store={store}
          product={editing.value === 'new' ? undefined : editing.value}
          currency={currency}
          onClose={() => (editing.value = null)}
          onDone={done}
          onRemoved={done}
        />
      )}
    </div>
  );
}
