// What a store is: its name, address, place and time zone, to open one and to edit one; and closing it.
import { useSignal } from '@preact/signals';
import { call, create } from '../../core/api';
import { freshKey } from '../../core/ids';
import { here } from '../../core/place';
import { go } from '../../core/router';
import type { Place, Store } from '../../core/types';
import { t } from '../../i18n';
import { PickMap } from '../../map/pick-map';
import { Dialog, Field, fieldErrors, Refused, say, useAction } from '../../ui/kit';
import { m } from './words';

function StoreForm({ store, submit, save }: { store?: Store | undefined; submit: string; save: (body: object) => Promise<void> }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  const place = useSignal<Place>(store?.location ?? { lat: here.value?.lat ?? 6.2442, lng: here.value?.lng ?? -75.5812 });
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
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        const body = { name: form.get('name'), address: form.get('address'), timezone: form.get('timezone'), location: place.value };
        action.run(() => save(body));
      }}
    >
      <Field label={m('stores.name')} name="name" required defaultValue={store?.name} error={errors['/name']} />
      <Field label={m('stores.address')} name="address" required defaultValue={store?.address} error={errors['/address']} />
      <Field
        label={m('stores.timezone')}
        name="timezone"
        required
        list="time-zones"
        autocomplete="off"
        defaultValue={store?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone}
        error={errors['/timezone']}
      />
      <datalist id="time-zones">
        {Intl.supportedValuesOf('timeZone').map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <p class="legend">{m('stores.place')}</p>
      <PickMap label={m('stores.place')} place={place.value} onPick={(next) => (place.value = next)} />
      <div class="columns">
        {coordinate('lat', 90)}
        {coordinate('lng', 180)}
      </div>
      <Refused error={action.error} />
      <button class="button primary big" type="submit" disabled={action.busy}>
        {submit}
      </button>
    </form>
  );
}

export function StoreDialog({ onClose, onDone }: { onClose: () => void; onDone: (store: Store) => void }) {
  const key = useSignal(freshKey());
  const save = async (body: object) => {
    // What was refused and put right is another request.
    const store = await create<Store>('/stores', body, key.value).catch((error: unknown) => {
      key.value = freshKey();
      throw error;
    });
    onDone(store);
  };
  return (
    <Dialog title={m('stores.new')} onClose={onClose}>
      <StoreForm submit={m('stores.create')} save={save} />
    </Dialog>
  );
}

function CloseStore({ store }: { store: Store }) {
  const sure = useSignal(false);
  const action = useAction();
  const close = () =>
    action.run(async () => {
      await call('DELETE', `/stores/${store.id}`);
      say(m('stores.closed', { name: store.name }));
      go('/merchant');
    });
  return (
    <section class="card padded stack">
      <h2>{m('stores.close')}</h2>
      <p class="muted">{m('stores.close.lead')}</p>
      <button class="button danger" type="button" onClick={() => (sure.value = true)}>
        {m('stores.close')}
      </button>
      {sure.value && (
        <Dialog title={`${m('stores.close')}: ${store.name}`} onClose={() => (sure.value = false)}>
          <p>{m('stores.close.sure')}</p>
          <Refused error={action.error} />
          <button class="button danger block" type="button" disabled={action.busy} onClick={close}>
            {m('stores.close')}
          </button>
        </Dialog>
      )}
    </section>
  );
}

/** A store's own page of settings. Managers edit it, its owner may close it. */
export function StoreSettings({ store, onSaved }: { store: Store; onSaved: (store: Store) => void }) {
  const save = async (body: object) => {
    onSaved({ ...store, ...(await call<Store>('PATCH', `/stores/${store.id}`, body)) });
    say(t('common.saved'));
  };
  return (
    <div class="stack">
      <section class="card padded stack">
        <h2>{m('tab.settings')}</h2>
        <p class="muted small">{m('stores.edit.lead')}</p>
        <StoreForm store={store} submit={t('common.save')} save={save} />
      </section>
      {store.your_role === 'owner' && <CloseStore store={store} />}
    </div>
  );
}
