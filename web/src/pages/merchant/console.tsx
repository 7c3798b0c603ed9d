// The merchant console: one's stores, a store's pages, and a promotion's live board, by path.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { all, create, get } from '../../core/api';
import { freshKey } from '../../core/ids';
import { here } from '../../core/place';
import { go, parts } from '../../core/router';
import type { Place, Store } from '../../core/types';
import { t } from '../../i18n';
import { PickMap } from '../../map/pick-map';
import { Icon, type IconName } from '../../ui/icons';
import { Dialog, Empty, Field, fieldErrors, reason, Refused, useAction } from '../../ui/kit';
import { Board } from './board';
import { Launch } from './launch';
import { NotificationStats } from './notification-stats';
import { Products } from './products';
import { Redeem } from './redeem';
import { Sales } from './sales';
import { Staff } from './staff';
import { m } from './words';
import '../../styles/console.css';

export function Console() {
  const [, kind, id, tab] = parts.value;
  if (kind === 'promotions' && id) return <Board key={id} id={id} />;
  if (kind === 'stores' && id) return <StorePage key={id} id={id} tab={tab ?? 'sales'} />;
  return <Stores />;
}

function Stores() {
  const stores = useSignal<Store[] | null>(null);
  const adding = useSignal(false);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    all<Store>('/stores').then((found) => (stores.value = found), (error) => (failure.value = error));
  }, []);
  return (
    <div class="page">
      <div class="row apart">
        <h1>{m('stores.title')}</h1>
        <button class="button primary" type="button" onClick={() => (adding.value = true)}>
          <Icon name="plus" size={18} />
          {m('stores.new')}
        </button>
      </div>
      {failure.value !== null && <p class="notice bad">{reason(failure.value)}</p>}
      {stores.value?.length === 0 && (
        <Empty icon="store" title={m('stores.none')}>
          <p>{m('stores.none.lead')}</p>
        </Empty>
      )}
      <ul class="store-grid">
        {stores.value?.map((store) => (
          <li key={store.id}>
            <a class="card padded store-card" href={`/merchant/stores/${store.id}`}>
              <span class="glyph">
                <Icon name="store" size={24} />
              </span>
              <span class="grow">
                <strong class="clip block">{store.name}</strong>
                <span class="small muted clip block">{store.address}</span>
              </span>
              {store.your_role && <span class="badge">{m(`role.${store.your_role}`)}</span>}
            </a>
          </li>
        ))}
      </ul>
      {adding.value && <StoreDialog onClose={() => (adding.value = false)} onDone={(store) => go(`/merchant/stores/${store.id}`)} />}
    </div>
  );
}

function StoreDialog({ onClose, onDone }: { onClose: () => void; onDone: (store: Store) => void }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  const place = useSignal<Place>({ lat: here.value?.lat ?? 6.2442, lng: here.value?.lng ?? -75.5812 });
  const key = useSignal(freshKey());
  const coordinate = (name: 'lat' | 'lng', bound: number) => (
    <Field
      label={m(`stores.${name}`)}
      type="number"
      step="any"
      min={-bound}
      max={bound}
      required
      value={place.value[name]}
      onChange={(event) => (place.value = { ...place.value, [name]: event.currentTarget.valueAsNumber })}
      error={errors[`/location/${name}`]}
    />
  );
  return (
    <Dialog title={m('stores.new')} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const body = { name: form.get('name'), address: form.get('address'), timezone: form.get('timezone'), location: place.value };
          action.run(async () => {
            // What was refused and put right is another request.
            const store = await create<Store>('/stores', body, key.value).catch((error: unknown) => {
              key.value = freshKey();
              throw error;
            });
            onDone(store);
          });
        }}
      >
        <Field label={m('stores.name')} name="name" required error={errors['/name']} />
        <Field label={m('stores.address')} name="address" required error={errors['/address']} />
        <Field label={m('stores.timezone')} name="timezone" required defaultValue={Intl.DateTimeFormat().resolvedOptions().timeZone} error={errors['/timezone']} />
        <p class="legend">{m('stores.place')}</p>
        <PickMap label={m('stores.place')} place={place.value} onPick={(next) => (place.value = next)} />
        <div class="columns">
          {coordinate('lat', 90)}
          {coordinate('lng', 180)}
        </div>
        <Refused error={action.error} />
        <button class="button primary big" type="submit" disabled={action.busy}>
          {m('stores.create')}
        </button>
      </form>
    </Dialog>
  );
}

const TABS = [
  ['sales', 'bolt'],
  ['products', 'box'],
  ['redeem', 'ticket'],
  ['staff', 'people'],
  ['notifications', 'bell'],
] as const satisfies readonly (readonly [string, IconName])[];

function StorePage({ id, tab }: { id: string; tab: string }) {
  const store = useSignal<Store | null>(null);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    // The list says which role one has, the store itself does not.
    all<Store>('/stores')
      .then(async (found) => found.find((one) => one.id === id) ?? (await get<Store>(`/stores/${id}`)))
      .then((found) => (store.value = found), (error) => (failure.value = error));
  }, [id]);
  const found = store.value;
  const manages = found?.your_role !== 'clerk';
  return (
    <div class="page">
      <p class="small">
        <a href="/merchant">← {m('stores.title')}</a>
      </p>
      <div class="row apart wrap">
        <div>
          <h1>{found?.name ?? '…'}</h1>
          <p class="muted">{found?.address}</p>
        </div>
        {manages && tab !== 'launch' && (
          <a class="button primary" href={`/merchant/stores/${id}/launch`}>
            <Icon name="bolt" size={18} fill />
            {m('launch')}
          </a>
        )}
      </div>
      {failure.value !== null && <p class="notice bad">{reason(failure.value)}</p>}
      <nav class="tabs" aria-label={found?.name ?? t('nav.merchant')}>
        {TABS.filter(([name]) => name !== 'staff' || manages).map(([name, icon]) => (
          <a key={name} class="tab" href={`/merchant/stores/${id}/${name}`} aria-current={tab === name ? 'page' : undefined}>
            <Icon name={icon} size={18} />
            {m(`tab.${name}`)}
          </a>
        ))}
      </nav>
      {found && tab === 'sales' && <Sales store={found} />}
      {found && tab === 'products' && <Products store={found} />}
      {found && tab === 'launch' && <Launch store={found} />}
      {found && tab === 'redeem' && <Redeem store={found} />}
      {found && tab === 'staff' && <Staff store={found} />}
      {found && tab === 'notifications' && <NotificationStats store={found} />}
    </div>
  );
}
