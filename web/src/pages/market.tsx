// The shopper's first page: the deals in reach as a list and on a map.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { deals, ready } from '../core/deals';
import { metres } from '../core/format';
import { here, radius, RADIUS_CHOICES_M, setRadius } from '../core/place';
import { go, parts } from '../core/router';
import { filter, search, sort, visible, type Sort } from '../core/view';
import { plural, t } from '../i18n';
import { DealCard } from '../ui/deal';
import { Icon } from '../ui/icons';
import { Empty } from '../ui/kit';
import { lazy } from '../ui/lazy';
import { PlaceChooser, PlaceDialog } from './place';
import { DealSheet } from './deal-sheet';
import { Upcoming } from './upcoming';

const DealMap = lazy(async () => (await import('../map/deal-map')).DealMap);

/** Cards drawn at once; more as one scrolls. */
const STEP = 30;

function Controls({ onPlace }: { onPlace: () => void }) {
  const place = here.value;
  const choice = (name: Sort) => (
    <button type="button" aria-pressed={sort.value === name} onClick={() => (sort.value = name)}>
      {t(`deals.sort.${name}`)}
    </button>
  );
  return (
    <div class="controls">
      <button class="place" type="button" onClick={onPlace} aria-label={t('place.change')}>
        <Icon name="pin" size={22} />
        <span class="grow">
          <strong class="clip block">
            {place ? (place.label ?? t(place.source === 'device' ? 'place.here' : 'place.walked')) : t('place.title')}
          </strong>
          <span class="small muted">
            {t('place.radius')} {metres(radius.value)}
          </span>
        </span>
        <Icon name="chevron" size={18} />
      </button>
      <div class="row apart">
        <h1>{t('deals.title')}</h1>
        <span class="badge" data-testid="count">
          {plural('deals.count', visible.value.length)}
        </span>
      </div>
      <div class="segments" role="group" aria-label={t('deals.sort')}>
        {choice('distance')}
        {choice('time')}
        {choice('discount')}
      </div>
      <div class="filters" role="group" aria-label={t('deals.filter')}>
        {(['available', 'for-me'] as const).map((name) => (
          <button
            key={name}
            class="chip"
            type="button"
            aria-pressed={filter.value === name}
            onClick={() => (filter.value = filter.value === name ? 'all' : name)}
          >
            {filter.value === name && <Icon name="check" size={15} />}
            {t(`deals.filter.${name}`)}
          </button>
        ))}
        <label class="chip search">
          <Icon name="search" size={15} />
          <span class="vh">{t('deals.search')}</span>
          <input
            class="bare-input"
            type="search"
            placeholder={t('deals.search')}
            value={search.value}
            onInput={(event) => (search.value = event.currentTarget.value)}
          />
        </label>
      </div>
    </div>
  );
}

function Nothing() {
  const farther = RADIUS_CHOICES_M.find((metresWide) => metresWide > radius.value);
  if (!ready.value) {
    return (
      <div class="empty">
        <div class="spinner" aria-hidden="true" />
        <p>{t('deals.waiting')}</p>
      </div>
    );
  }
  if (deals.value.length > 0) return <Empty icon="search" title={t('deals.none.filtered')} />;
  return (
    <Empty icon="bolt" title={t('deals.none')}>
      <p>{t('deals.none.lead')}</p>
      {farther && (
        <button class="button" type="button" onClick={() => setRadius(farther)}>
          {t('deals.widen', { distance: metres(farther) })}
        </button>
      )}
    </Empty>
  );
}

function List({ onOpen }: { onOpen: (id: string) => void }) {
  const limit = useSignal(STEP);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = end.current;
    if (!element) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting) && limit.value < visible.value.length) limit.value += STEP;
      },
      { rootMargin: '600px' },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const found = visible.value;
  return (
    <div class="list" data-testid="deals">
      {found.length === 0 && <Nothing />}
      {found.slice(0, limit.value).map((deal) => (
        <DealCard key={deal.id} deal={deal} onOpen={onOpen} />
      ))}
      <div ref={end} />
      {found.length <= limit.value && <Upcoming onOpen={onOpen} />}
    </div>
  );
}

export function Market() {
  const choosing = useSignal(false);
  const [first, id] = parts.value;
  const open = (deal: string) => go(`/deals/${deal}`);
  return (
    <div class="market">
      <section class="side" aria-label={t('deals.title')}>
        {here.value ? (
          <>
            <Controls onPlace={() => (choosing.value = true)} />
            <List onOpen={open} />
          </>
        ) : (
          <div class="list welcome">
            <h1>{t('place.title')}</h1>
            <PlaceChooser />
          </div>
        )}
      </section>
      <section class="mapside" aria-label={t('deals.map')}>
        <DealMap onOpen={open} />
      </section>
      {choosing.value && <PlaceDialog onClose={() => (choosing.value = false)} />}
      {first === 'deals' && id && <DealSheet key={id} id={id} onClose={() => go('/')} />}
    </div>
  );
}
