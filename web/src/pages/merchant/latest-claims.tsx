// The claims of a promotion, the latest first, as they come and change; all of them as a file.
import { useSignal, type ReadonlySignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { accessToken, get } from '../../core/api';
import { dateTime, money, recent } from '../../core/format';
import type { ClaimStatus, Money, Page } from '../../core/types';
import { t } from '../../i18n';
import { Icon } from '../../ui/icons';
import { reason, Refused, say } from '../../ui/kit';
import { m } from './words';

/** Shown at first, and at most; older ones are in the file. */
const FEW = 12;
const MANY = 100;
/** The channel tells of every change; this is for when it is silent while reconnecting. */
const EVERY_MS = 5000;

interface StaffClaim {
  id: string;
  status: ClaimStatus;
  quantity: number;
  unit_price: Money;
  created_at: string;
  shopper: { display_name?: string };
}

/** The latest claims, asked for anew whenever `sales` changes: their states change as well as their number. */
function useLatest(id: string, sales: ReadonlySignal<string>) {
  const items = useSignal<StaffClaim[] | null>(null);
  const isMore = useSignal(false);
  const wanted = useSignal(FEW);
  const failure = useSignal<unknown>(null);
  const asked = useRef(0);
  const load = async () => {
    const mine = ++asked.current;
    try {
      const page = await get<Page<StaffClaim>>(`/promotions/${id}/claims?order=newest&limit=${wanted.peek()}`);
      // An answer that was overtaken by a later question's is old news.
      if (mine !== asked.current) return;
      [items.value, isMore.value, failure.value] = [page.items, page.next_cursor !== null, null];
    } catch (error) {
      if (mine === asked.current) failure.value = error;
    }
  };
  const changes = sales.value;
  const limit = wanted.value;
  useEffect(() => {
    void load();
    const timer = setInterval(() => !document.hidden && void load(), EVERY_MS);
    return () => clearInterval(timer);
  }, [id, changes, limit]);
  return { items: items.value, isMore: isMore.value, failure: failure.value, isAll: limit === MANY, more: () => (wanted.value = MANY) };
}

/** The claims as a file. A link can't carry the token, so the app fetches and hands it over. */
async function download(id: string): Promise<void> {
  const headers = { Accept: 'text/csv', Authorization: `Bearer ${await accessToken()}` };
  const response = await fetch(`/api/v1/promotions/${id}/claims?limit=100`, { headers });
  if (!response.ok) throw new Error('refused');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = `claims-${id}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function Row({ claim, isNew }: { claim: StaffClaim; isNew: boolean }) {
  return (
    <tr data-id={claim.id} data-new={isNew}>
      <td>{claim.shopper.display_name ?? '—'}</td>
      <td>{claim.quantity}</td>
      <td>{money({ ...claim.unit_price, amount: claim.unit_price.amount * claim.quantity })}</td>
      <td>{m(`claim.${claim.status}`)}</td>
      <td class="nowrap">
        <time dateTime={claim.created_at} title={dateTime(claim.created_at)}>
          {recent(claim.created_at)}
        </time>
      </td>
    </tr>
  );
}

export function LatestClaims({ id, sales }: { id: string; sales: ReadonlySignal<string> }) {
  const { items, isMore, failure, isAll, more } = useLatest(id, sales);
  /** The newest one of the first look: what is newer came while one looked on. Ids grow with time. */
  const first = useRef<string | null>(null);
  if (items && first.current === null) first.current = items[0]?.id ?? '';
  const claims = items ?? [];
  return (
    <section class="card padded stack" data-testid="claims">
      <div class="row apart wrap">
        <h2>{m('board.claims')}</h2>
        <button class="button small" type="button" onClick={() => void download(id).catch((error) => say(reason(error)))}>
          <Icon name="download" size={16} />
          {m('board.csv')}
        </button>
      </div>
      <Refused error={failure} />
      {claims.length === 0 ? (
        <p class="muted">{m('board.claims.none')}</p>
      ) : (
        <div class="tablewrap" tabIndex={0} role="region" aria-label={m('board.claims')}>
          <table>
            <thead>
              <tr>
                <th scope="col">{m('board.shopper')}</th>
                <th scope="col">{m('board.units')}</th>
                <th scope="col">{t('claim.total')}</th>
                <th scope="col">{m('board.status')}</th>
                <th scope="col">{m('board.when')}</th>
              </tr>
            </thead>
            <tbody>
              {claims.map((claim) => (
                <Row key={claim.id} claim={claim} isNew={claim.id > (first.current ?? '')} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {isMore && (isAll ? <p class="muted small">{m('board.older')}</p> : <button class="button small" type="button" onClick={more}>{t('common.more')}</button>)}
    </section>
  );
}

