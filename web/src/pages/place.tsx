// Where one is: from the device, a city of the list, or a place where something is on right now.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../core/api';
import { metres } from '../core/format';
import { followDevice, here, radius, RADIUS_CHOICES_M, setHere, setRadius, stopFollowing } from '../core/place';
import type { Page, Place, Promotion } from '../core/types';
import { t } from '../i18n';
import { Icon } from '../ui/icons';
import { Dialog, Field, useAction } from '../ui/kit';

interface City extends Place {
  name: string;
  country: string;
}

const SHOWN = 6;

function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

export function PlaceChooser({ onDone }: { onDone?: () => void }) {
  const device = useAction();
  const query = useSignal('');
  const cities = useSignal<City[]>([]);
  const on = useSignal<{ label: string; place: Place; deals: number }[]>([]);
  useEffect(() => {
    void import('../core/cities').then((module) => (cities.value = module.CITIES));
    get<Page<Promotion>>('/promotions?status=live&limit=100').then((page) => (on.value = places(page.items)), () => undefined);
  }, []);
  const choose = (place: Place, label: string) => {
    stopFollowing();
    setHere({ lat: place.lat, lng: place.lng, label, source: 'chosen' });
    onDone?.();
  };
  const wanted = plain(query.value.trim());
  const found = wanted ? cities.value.filter((city) => plain(city.name).includes(wanted)).slice(0, SHOWN) : [];
  return (
    <div class="stack">
      <p class="muted">{t('place.lead')}</p>
      <button
        class="button primary big block"
        type="button"
        disabled={device.busy}
        onClick={() => device.run(async () => followDevice().then(() => onDone?.()))}
      >
        <Icon name="locate" />
        {t('place.device')}
      </button>
      {device.error !== null && (
        <p class="notice" role="alert">
          {t('place.refused')}
        </p>
      )}
      <Field
        label={t('place.search')}
        type="search"
        autocomplete="off"
        value={query.value}
        onInput={(event) => (query.value = event.currentTarget.value)}
      />
      {wanted && found.length === 0 && <p class="muted small">{t('place.none')}</p>}
      <div class="choices">
        {found.map((city) => (
          <button class="choice" type="button" key={`${city.name}${city.lat}`} onClick={() => choose(city, city.name)}>
            <Icon name="pin" size={18} />
            <strong>{city.name}</strong>
            <span class="muted small">{city.country}</span>
          </button>
        ))}
      </div>
      {!wanted && on.value.length > 0 && (
        <>
          <h2>{t('place.live-now')}</h2>
          <div class="choices">
            {on.value.slice(0, SHOWN).map((one) => (
              <button class="choice" type="button" key={one.label} onClick={() => choose(one.place, one.label)}>
                <Icon name="bolt" size={18} />
                <strong class="grow clip">{one.label}</strong>
                <span class="badge flame">{one.deals}</span>
              </button>
            ))}
          </div>
        </>
      )}
      <p class="muted small">{t('place.credits')}</p>
    </div>
  );
}

/** Stores where something is on, those with most first. */
function places(promotions: Promotion[]): { label: string; place: Place; deals: number }[] {
  const stores = new Map<string, { label: string; place: Place; deals: number }>();
  for (const promotion of promotions) {
    const store = stores.get(promotion.store_id) ?? { label: promotion.store_name, place: promotion.location, deals: 0 };
    store.deals += 1;
    stores.set(promotion.store_id, store);
  }
  return [...stores.values()].sort((a, b) => b.deals - a.deals);
}

export function PlaceDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t('place.change')} onClose={onClose}>
      <fieldset class="plain">
        <legend class="legend">{t('place.radius')}</legend>
        <div class="row wrap">
          {RADIUS_CHOICES_M.map((choice) => (
            <button class="chip" type="button" key={choice} aria-pressed={radius.value === choice} onClick={() => setRadius(choice)}>
              {metres(choice)}
            </button>
          ))}
        </div>
      </fieldset>
      <PlaceChooser onDone={onClose} />
      {here.value && (
        <p class="small muted num">
          {here.value.lat.toFixed(4)}, {here.value.lng.toFixed(4)}
        </p>
      )}
    </Dialog>
  );
}
