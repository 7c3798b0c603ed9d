// The merchant console: one's stores, a store's pages, and a promotion's live board, by path.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { all, get, session, signOut } from '../../core/api';
import { go, parts } from '../../core/router';
import type { Store } from '../../core/types';
import { t } from '../../i18n';
import { Icon, type IconName } from '../../ui/icons';
import { Empty, Refused } from '../../ui/kit';
import { Board } from './board';
import { NEW_MERCHANT } from '../sign-in';
import { Launch } from './launch';
import { NotificationStats } from './notification-stats';
import { Products } from './products';
import { Redeem } from './redeem';
import { Sales } from './sales';
import { SeriesPage } from './series';
import { Staff } from './staff';
import { StoreDialog, StoreSettings } from './store-form';
import { Webhooks } from './webhooks';
import { m } from './words';
import '../../styles/console.css';

export function Console() {
  const [, kind, id, tab] = parts.value;
  if (kind === 'promotions' && id) return <Board key={id} id={id} />;
  if (kind === 'series' && id) return <SeriesPage key={id} id={id} />;
  if (kind === 'stores' && id) return <StorePage key={id} id={id} tab={tab ?? 'sales'} />;
  return <Stores />;
}

/** A shopper's account opens no stores, and says what helps. */
function ShoppersOnly() {
  // The page first: the console without a session would ask to sign in.
  const register = () => {
    go(NEW_MERCHANT);
    void signOut();
  };
  return (
    <div class="page narrow" data-testid="shoppers-only">
      <Empty icon="store" title={m('shopper.title')}>
        <p>{m('shopper.lead', { email: session.value?.user.email ?? '' })}</p>
        <p>{m('shopper.staff')}</p>
        <div class="row wrap centred">
          <button class="button primary" type="button" onClick={register}>
            {m('shopper.register')}
          </button>
          <a class="button" href="/">
            {t('claims.look')}
          </a>
        </div>
      </Empty>
    </div>
  );
}

function Stores() {
  const stores = useSignal<Store[] | null>(null);
  const adding = useSignal(false);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    all<Store>('/stores').then((found) => (stores.value = found), (error) => (failure.value = error));
  }, []);
  const isShopper = session.value?.user.role === 'shopper';
  // A shopper may work at somebody's store: then it is listed.
  if (isShopper && stores.value?.length === 0) return <ShoppersOnly />;
  return (
    <div class="page">
      <div class="row apart wrap">
        <h1>{m('stores.title')}</h1>
        {!isShopper && (
          <button class="button primary" type="button" onClick={() => (adding.value = true)}>
            <Icon name="plus" size={18} />
            {m('stores.new')}
          </button>
        )}
      </div>
      <Refused error={failure.value} />
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

const TABS = [
  ['sales', 'bolt'],
  ['products', 'box'],
  ['redeem', 'ticket'],
  ['staff', 'people'],
  ['notifications', 'bell'],
  ['webhooks', 'hook'],
  ['settings', 'pin'],
] as const satisfies readonly (readonly [string, IconName])[];

/** Tabs that clerks have no business with. */
const MANAGERS_ONLY: string[] = ['staff', 'webhooks', 'settings'];

function StorePage({ id, tab }: { id: string; tab: string }) {
  const store = useSignal<Store | null>(null);
  const failure = useSignal<unknown>(null);
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    // The list says which role one has, the store itself does not.
    all<Store>('/stores')
      .then(async (found) => found.find((one) => one.id === id) ?? (await get<Store>(`/stores/${id}`)))
      .then((found) => (store.value = found), (error) => (failure.value = error));
  }, [id]);
  const found = store.value;
  // On a phone there are more tabs than fit: the present one is brought into sight.
  useEffect(() => tabs.current?.querySelector('[aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' }), [tab, found]);
  // Nothing for managers is shown before the role is known.
  const manages = found !== null && found.your_role !== 'clerk';
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
      <Refused error={failure.value} />
      <nav ref={tabs} class="tabs" aria-label={found?.name ?? t('nav.merchant')}>
        {TABS.filter(([name]) => manages || !MANAGERS_ONLY.includes(name)).map(([name, icon]) => (
          <a key={name} class="tab" href={`/merchant/stores/${id}/${name}`} aria-current={tab === name ? 'page' : undefined}>
            <Icon name={icon} size={18} />
            {m(`tab.${name}`)}
          </a>
        ))}
      </nav>
      {found && tab === 'sales' && <Sales store={found} />}
      {found && tab === 'products' && <Products store={found} edits={manages} />}
      {found && manages && tab === 'launch' && <Launch store={found} />}
      {found && tab === 'redeem' && <Redeem store={found} />}
      {found && manages && tab === 'staff' && <Staff store={found} />}
      {found && tab === 'notifications' && <NotificationStats store={found} />}
      {found && manages && tab === 'webhooks' && <Webhooks store={found} />}
      {found && manages && tab === 'settings' && <StoreSettings store={found} onSaved={(next) => (store.value = next)} />}
    </div>
  );
}
