// The frame: the bar at the top, the page that the path names, what is said in passing.
import { effect, signal, untracked } from '@preact/signals';
import { get, refreshUser, session } from './core/api';
import { claims, forgetClaims, loadClaims, unread } from './core/claims';
import { arrived, connection } from './core/live';
import { parts, path } from './core/router';
import type { Page as ListPage, Store } from './core/types';
import { language, setLanguage, t, plural, type Key } from './i18n';
import { Market } from './pages/market';
import { Icon, Mark, type IconName } from './ui/icons';
import { headline } from './ui/headline';
import { Empty, say, Toasts } from './ui/kit';
import { lazy } from './ui/lazy';

const Claims = lazy(async () => (await import('./pages/claims')).Claims);
const Inbox = lazy(async () => (await import('./pages/inbox')).Inbox);
const Account = lazy(async () => (await import('./pages/account')).Account);
const SignIn = lazy(async () => (await import('./pages/sign-in')).SignIn);
const Merchant = lazy(async () => (await import('./pages/merchant/console')).Console);
const Operations = lazy(async () => (await import('./pages/operations')).Operations);

// Whoever signs in gets their claims and their segment; whoever signs out leaves none behind.
let person: string | undefined;
const worksAtStore = signal(false);
effect(() => {
  const next = session.value?.user.id;
  if (next === person) return;
  person = next;
  forgetClaims();
  worksAtStore.value = false;
  if (!next) return;
  // A shopper may work at somebody's store: then the console is for them, too.
  if (session.value?.user.role === 'shopper') {
    void get<ListPage<Store>>('/stores?limit=1').then((page) => person === next && (worksAtStore.value = page.items.length > 0), () => undefined);
  }
  void loadClaims().catch(() => undefined);
  // Signing in does not tell the segment.
  void refreshUser().catch(() => undefined);
});

// What one is told of while the app is open is said in passing, too.
effect(() => {
  const one = arrived.value;
  if (one) untracked(() => say(headline(one)));
});

const TITLES: Record<string, Key> = {
  claims: 'claims.title',
  inbox: 'inbox.title',
  account: 'account.title',
  'sign-in': 'sign-in.title',
  merchant: 'nav.merchant',
  operations: 'nav.operations',
};

// What a tab of the browser, its history and a screen reader call the page.
effect(() => {
  document.title = `${t(TITLES[parts.value[0] ?? ''] ?? 'deals.title')} · ${t('app.name')}`;
});

function Tab({ to, icon, label, dot = 0, about }: { to: string; icon: IconName; label: Key; dot?: number; about?: string }) {
  const here = to === '/' ? path.value === '/' || path.value.startsWith('/deals') : path.value.startsWith(to);
  return (
    <a class="tab" href={to} aria-current={here ? 'page' : undefined}>
      <Icon name={icon} />
      {t(label)}
      {dot > 0 && (
        <>
          <span class="dot" aria-hidden="true">
            {dot > 99 ? '99' : dot}
          </span>
          <span class="vh">{about ?? dot}</span>
        </>
      )}
    </a>
  );
}

function Connection() {
  const state = connection.value;
  return (
    <span class="pill" data-state={state} data-testid="connection" title={t(`connection.${state}.hint`)} role="status">
      <i aria-hidden="true" />
      {t(`connection.${state}`)}
    </span>
  );
}

function Top() {
  const user = session.value?.user;
  const held = claims.value.filter((claim) => claim.status === 'held' || claim.status === 'confirmed').length;
  const other = language.value === 'es' ? 'en' : 'es';
  return (
    <header class="top">
      <a class="brand" href="/" aria-label={t('app.name')}>
        <Mark />
        <span>{t('app.name')}</span>
      </a>
      <nav aria-label={t('nav.main')}>
        <Tab to="/" icon="bolt" label="nav.deals" />
        {user && <Tab to="/claims" icon="ticket" label="nav.claims" dot={held} />}
        {user && <Tab to="/inbox" icon="bell" label="nav.inbox" dot={unread.value} about={plural('inbox.unread', unread.value)} />}
        {user && (user.role !== 'shopper' || worksAtStore.value) && <Tab to="/merchant" icon="store" label="nav.merchant" />}
        {user?.role === 'admin' && <Tab to="/operations" icon="pulse" label="nav.operations" />}
        <Tab to={user ? '/account' : '/sign-in'} icon="user" label={user ? 'nav.account' : 'nav.sign-in'} />
      </nav>
      <span class="spring" />
      <Connection />
      <button
        class="button quiet icon"
        type="button"
        lang={other}
        aria-label={other === 'es' ? 'Español' : 'English'}
        onClick={() => setLanguage(other)}
      >
        {other.toUpperCase()}
      </button>
    </header>
  );
}

function Page() {
  const [first] = parts.value;
  const role = session.value?.user.role;
  switch (first) {
    case undefined:
    case 'deals':
      return <Market />;
    case 'claims':
      return role ? <Claims /> : <SignIn needed />;
    case 'inbox':
      return role ? <Inbox /> : <SignIn needed />;
    case 'account':
      return role ? <Account /> : <SignIn needed />;
    case 'sign-in':
      return <SignIn />;
    case 'merchant':
      return role ? <Merchant /> : <SignIn needed />;
    case 'operations':
      return role === 'admin' ? <Operations /> : role ? <Forbidden /> : <SignIn needed />;
    default:
      return <Empty icon="search" title={t('page.not-found')} />;
  }
}

function Forbidden() {
  return (
    <Empty icon="warning" title={t('page.forbidden')}>
      <p>{t('page.forbidden.lead')}</p>
    </Empty>
  );
}

export function App() {
  return (
    <>
      <a class="skip" href="#main">
        {t('nav.skip')}
      </a>
      <Top />
      <main id="main" tabIndex={-1}>
        <Page />
      </main>
      <Toasts />
    </>
  );
}
