// One deal, live: what it is, what is left, and the way from a tap to the code for the store.
import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get, Problem, session } from '../core/api';
import { cancel, claim, claimOf, confirm, isOver } from '../core/claims';
import { beat, secondsUntil } from '../core/clock';
import { find } from '../core/deals';
import { countdown, metres, money } from '../core/format';
import { distance } from '../core/geo';
import { watch } from '../core/live';
import { here } from '../core/place';
import type { Claim, Offer, Promotion } from '../core/types';
import { plural, t } from '../i18n';
import { Price, segmentWords, Stock, Tile } from '../ui/deal';
import { Icon, type IconName } from '../ui/icons';
import { Countdown, Dialog, HoldRing, reason, Refused, say, useAction, useArrival } from '../ui/kit';
import { Code } from '../ui/code';

/** A promotion in the shape of an offer: what a deep link to one that is not in reach has. */
export function offerOf(promotion: Promotion): Offer {
  const { per_shopper_limit, claim_within_m, category, image_url } = promotion;
  return {
    ...promotion,
    store: { id: promotion.store_id, name: promotion.store_name, location: promotion.location },
    product: { id: promotion.product_id, name: promotion.product_name, ...(image_url ? { image_url } : {}) },
    per_shopper_limit: per_shopper_limit ?? undefined,
    claim_within_m: claim_within_m ?? undefined,
    category: category ?? undefined,
  };
}

/** The offer by its own channel, so that it also tells of a start, an end or a pause. */
function useOffer(id: string): { offer: Signal<Offer | null>; over: Signal<boolean> } {
  const offer = useSignal<Offer | null>(find(id)?.offer.peek() ?? null);
  const over = useSignal(false);
  useEffect(() => {
    let stopped = false;
    const refetch = () =>
      get<Promotion>(`/promotions/${id}`).then(
        (promotion) => {
          if (!stopped && promotion.v >= (offer.peek()?.v ?? 0)) offer.value = offerOf(promotion);
        },
        (error) => {
          if (error instanceof Problem && error.status === 404) over.value = true;
        },
      );
    if (!offer.peek()) void refetch();
    const stop = watch(id, {
      offer: (next) => (offer.value = next),
      event: (event) => {
        const before = offer.peek();
        if (event.type === 'offer') offer.value = event.offer as Offer;
        else if (event.type === 'stock' && before && (event.v as number) > before.v) {
          offer.value = { ...before, v: event.v as number, remaining: event.remaining as number, held: event.held as number };
        } else if (event.type === 'gone') void refetch();
      },
      over: () => void refetch(),
    });
    return () => {
      stopped = true;
      stop();
    };
  }, [id]);
  return { offer, over };
}

function Fact({ icon, children }: { icon: IconName; children: preact.ComponentChildren }) {
  return (
    <li>
      <Icon name={icon} size={18} />
      <span>{children}</span>
    </li>
  );
}

function Facts({ offer }: { offer: Offer }) {
  const place = here.value;
  const limit = offer.per_shopper_limit;
  return (
    <ul class="facts">
      <Fact icon="store">{offer.store.name}</Fact>
      {place && <Fact icon="pin">{t('deals.distance', { distance: metres(distance(place, offer.store.location)) })}</Fact>}
      <Fact icon="box">{t('deals.of-stock', { remaining: offer.remaining, stock: offer.stock })}</Fact>
      <Fact icon="ticket">{limit === undefined ? t('deals.no-limit') : plural('deals.limit', limit)}</Fact>
      <Fact icon="clock">
        {offer.hold_seconds === 0 ? t('deals.hold.none') : t('deals.hold', { time: countdown(offer.hold_seconds) })}
      </Fact>
      {offer.segments.length > 0 && (
        <Fact icon="people">
          {t('deals.segments', { segments: segmentWords(offer.segments) })}
        </Fact>
      )}
    </ul>
  );
}

function Held({ claim }: { claim: Claim }) {
  const action = useAction();
  const arrival = useArrival<HTMLHeadingElement>();
  return (
    <div class="center" data-testid="held">
      <h3 ref={arrival} tabIndex={-1}>
        {t('claim.held')}
      </h3>
      {claim.hold_expires_at && <HoldRing until={claim.hold_expires_at} from={claim.created_at} />}
      <p class="muted">{t('claim.held.lead')}</p>
      <p>
        {plural('claim.units', claim.quantity)} ·{' '}
        <strong>{money({ ...claim.unit_price, amount: claim.unit_price.amount * claim.quantity })}</strong>
      </p>
      <button class="button primary big block" type="button" disabled={action.busy} onClick={() => action.run(() => confirm(claim.id))}>
        <Icon name="check" />
        {t('claim.confirm')}
      </button>
      <button class="button quiet block" type="button" disabled={action.busy} onClick={() => action.run(() => cancel(claim.id))}>
        {t('claim.give-back')}
      </button>
      <Refused error={action.error} />
    </div>
  );
}

function ClaimForm({ offer }: { offer: Offer }) {
  const action = useAction();
  const quantity = useSignal(1);
  const most = Math.max(1, Math.min(offer.per_shopper_limit ?? 10, offer.remaining, 10));
  const place = here.value;
  const far = offer.claim_within_m !== undefined && place && distance(place, offer.store.location) > offer.claim_within_m;
  const yours = session.value?.user.segment ?? '';
  const isForOthers = yours !== '' && offer.segments.length > 0 && !offer.segments.includes(yours);
  if (!session.value) {
    return (
      <a class="button primary big block" href={`/sign-in?to=/deals/${offer.id}`}>
        {t('claim.sign-in')}
      </a>
    );
  }
  return (
    <div class="stack">
      {most > 1 && (
        <div class="row apart">
          <span class="legend" id="quantity-label">
            {t('claim.quantity')}
          </span>
          <div class="row" role="group" aria-labelledby="quantity-label">
            <button class="button icon small" type="button" aria-label="−1" disabled={quantity.value <= 1} onClick={() => (quantity.value -= 1)}>
              −
            </button>
            <output class="num" aria-live="polite">
              <strong>{Math.min(quantity.value, most)}</strong>
            </output>
            <button class="button icon small" type="button" aria-label="+1" disabled={quantity.value >= most} onClick={() => (quantity.value += 1)}>
              +
            </button>
          </div>
        </div>
      )}
      {isForOthers && <p class="notice">{t('claim.for-others', { segments: segmentWords(offer.segments), yours: segmentWords([yours]) })}</p>}
      {far && <p class="notice">{t('deals.too-far', { distance: metres(offer.claim_within_m ?? 0) })}</p>}
      {offer.remaining === 0 && offer.held > 0 && <p class="notice">{t('deals.all-held.hint', { n: offer.held })}</p>}
      <button
        class="button primary big block"
        type="button"
        disabled={action.busy || (offer.remaining === 0 && offer.held === 0)}
        onClick={() => action.run(() => claim(offer.id, Math.min(quantity.value, most)))}
      >
        <Icon name="bolt" fill />
        {offer.remaining === 0 && offer.held === 0 ? t('deals.sold-out') : t('claim.action')}
      </button>
      <Refused error={action.error} />
    </div>
  );
}

/** The claim that one has of it, or the way to one. */
function Act({ offer }: { offer: Offer }) {
  const mine = claimOf(offer.id);
  // The claim that one has done with: until there is a newer one, the way to another is shown.
  const done = useSignal<string | null>(null);
  const starts = secondsUntil(offer.starts_at, beat.value);
  if (mine && mine.id !== done.value) {
    const another = offer.status === 'live' && (
      <button class="button block" type="button" onClick={() => (done.value = mine.id)}>
        {t('claim.again')}
      </button>
    );
    if (mine.status === 'held' && !isOver(mine)) return <Held claim={mine} />;
    if (mine.status === 'confirmed') {
      return (
        <div class="stack">
          <Code claim={mine} />
          {another}
        </div>
      );
    }
    const status = mine.status === 'held' ? 'expired' : mine.status;
    return (
      <div class="stack" data-testid={status}>
        <p class={`notice ${status === 'redeemed' ? 'good' : ''}`} role="status">
          {t(`claim.${status}`)}
        </p>
        {another}
      </div>
    );
  }
  if (starts > 0) {
    return (
      <p class="notice row">
        {t('deals.starts-in', { time: '' })}
        <Countdown to={offer.starts_at} />
      </p>
    );
  }
  if (offer.status === 'live' || offer.status === 'scheduled') return <ClaimForm key={mine?.id} offer={offer} />;
  const words = offer.status === 'paused' ? 'deals.paused' : offer.status === 'cancelled' ? 'deals.cancelled' : 'deals.ended';
  return <p class="notice">{t(words)}</p>;
}

function Follow({ store }: { store: string }) {
  const followed = useSignal<boolean | null>(null);
  useEffect(() => {
    get<{ items: { id: string }[] }>('/stores?followed=true&limit=100').then(
      (page) => (followed.value = page.items.some((one) => one.id === store)),
      () => undefined,
    );
  }, [store]);
  if (followed.value === null) return null;
  const toggle = async () => {
    const next = !followed.value;
    await call(next ? 'PUT' : 'DELETE', `/stores/${store}/follow`);
    followed.value = next;
  };
  return (
    <button class="button quiet block" type="button" aria-pressed={followed.value} onClick={() => void toggle().catch((error) => say(reason(error)))}>
      <Icon name="heart" fill={followed.value} size={18} />
      {t(followed.value ? 'deals.following' : 'deals.follow')}
    </button>
  );
}

export function DealSheet({ id, onClose }: { id: string; onClose: () => void }) {
  const { offer, over } = useOffer(id);
  const now = offer.value;
  return (
    <Dialog title={now?.product.name ?? t('nav.deals')} onClose={onClose}>
      {over.value && <p class="notice">{t('deals.not-here')}</p>}
      {now && (
        <div class="stack" data-testid="deal-sheet">
          <div class="hero">
            <Tile name={now.product.name} image={now.product.image_url} />
            <Price offer={now} large />
            <Stock offer={offer as Signal<Offer>} />
          </div>
          <Act offer={now} />
          <Facts offer={now} />
          {session.value && <Follow store={now.store.id} />}
        </div>
      )}
    </Dialog>
  );
}
