// One's claims: what is to do first, then what was; and the stores that one follows.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get } from '../core/api';
import { cancel, claims, confirm, isOver, promotionOf } from '../core/claims';
import { dateTime, money } from '../core/format';
import type { Claim, ClaimStatus, Page, Promotion, Store } from '../core/types';
import { plural, t } from '../i18n';
import { Code } from '../ui/code';
import { Tile } from '../ui/deal';
import { Icon } from '../ui/icons';
import { Countdown, Dialog, Empty, reason, Refused, say } from '../ui/kit';

const BADGE: Record<ClaimStatus, string> = { held: 'warn', confirmed: 'good', redeemed: '', expired: 'bad', cancelled: '' };

function Row({ claim, onShow }: { claim: Claim; onShow: () => void }) {
  const promotion = useSignal<Promotion | null>(null);
  useEffect(() => {
    promotionOf(claim.promotion_id).then((found) => (promotion.value = found), () => undefined);
  }, [claim.promotion_id]);
  const status: ClaimStatus = isOver(claim) ? 'expired' : claim.status;
  const act = (work: Promise<void>) => void work.catch((error) => say(reason(error)));
  const name = promotion.value?.product_name ?? '…';
  return (
    <li class="card padded claim" data-testid="claim" data-status={status}>
      <Tile name={name} image={promotion.value?.image_url} />
      <div class="stack tight grow">
        <div class="row apart">
          <h3 class="clip">{name}</h3>
          <span class={`badge ${BADGE[status]}`}>{t(`claim.${status}`)}</span>
        </div>
        <p class="small muted">
          {promotion.value?.store_name} · {dateTime(claim.created_at)}
        </p>
        <p>
          {plural('claim.units', claim.quantity)} ·{' '}
          <strong>{money({ ...claim.unit_price, amount: claim.unit_price.amount * claim.quantity })}</strong>
        </p>
        {status === 'held' && (
          <div class="row wrap">
            <button class="button primary small" type="button" onClick={() => act(confirm(claim.id))}>
              {t('claim.confirm')}
            </button>
            <button class="button small" type="button" onClick={() => act(cancel(claim.id))}>
              {t('claim.give-back')}
            </button>
            {claim.hold_expires_at && <Countdown to={claim.hold_expires_at} soon={15} />}
          </div>
        )}
        {status === 'confirmed' && (
          <div class="row wrap">
            <button class="button dark small" type="button" onClick={onShow}>
              <Icon name="ticket" size={17} />
              {t('claim.show')}
            </button>
            <code>{claim.redemption_code}</code>
          </div>
        )}
      </div>
    </li>
  );
}

function Followed() {
  const stores = useSignal<Store[] | null>(null);
  const failure = useSignal<unknown>(null);
  const attempt = (work: Promise<unknown>) => void work.then(() => (failure.value = null), (error) => (failure.value = error));
  const load = async () => {
    stores.value = (await get<Page<Store>>('/stores?followed=true&limit=100')).items;
  };
  useEffect(() => attempt(load()), []);
  if (!stores.value) return <Refused error={failure.value} />;
  return (
    <section class="stack">
      <h2>{t('followed.title')}</h2>
      <Refused error={failure.value} />
      {stores.value.length === 0 && <p class="muted">{t('followed.none')}</p>}
      <ul class="stack tight">
        {stores.value.map((store) => (
          <li class="choice" key={store.id} data-testid="followed">
            <Icon name="store" />
            <strong>{store.name}</strong>
            <span class="muted small clip grow">{store.address}</span>
            <button
              class="button small"
              type="button"
              aria-label={`${t('deals.unfollow')}: ${store.name}`}
              onClick={() => attempt(call('DELETE', `/stores/${store.id}/follow`).then(load))}
            >
              {t('deals.unfollow')}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Claims() {
  const shown = useSignal<string | null>(null);
  const isOpen = (claim: Claim) => (claim.status === 'held' && !isOver(claim)) || claim.status === 'confirmed';
  const open = claims.value.filter(isOpen);
  const past = claims.value.filter((claim) => !isOpen(claim));
  const one = claims.value.find((claim) => claim.id === shown.value);
  const list = (title: string, items: Claim[]) =>
    items.length > 0 && (
      <section class="stack">
        <h2>{title}</h2>
        <ul class="stack">
          {items.map((claim) => (
            <Row key={claim.id} claim={claim} onShow={() => (shown.value = claim.id)} />
          ))}
        </ul>
      </section>
    );
  return (
    <div class="page narrow">
      <h1>{t('claims.title')}</h1>
      {claims.value.length === 0 && (
        <Empty icon="ticket" title={t('claims.none')}>
          <p>{t('claims.none.lead')}</p>
          <a class="button primary" href="/">
            {t('claims.look')}
          </a>
        </Empty>
      )}
      {list(t('claims.open'), open)}
      {list(t('claims.past'), past)}
      <Followed />
      {one && (
        <Dialog title={t('claim.code')} onClose={() => (shown.value = null)}>
          {one.status === 'confirmed' ? <Code claim={one} /> : <p class="notice good">{t(`claim.${one.status}`)}</p>}
        </Dialog>
      )}
    </div>
  );
}
