// What a store's notifications did in 30 days: how many, to how many people, how each fared.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../../core/api';
import { now } from '../../core/clock';
import { calendarDay, count } from '../../core/format';
import type { Store } from '../../core/types';
import { Refused } from '../../ui/kit';
import { m } from './words';

interface Stats {
  total: number;
  unique_users: number;
  by_status: Record<string, number>;
  by_type: Record<string, number>;
  by_day: { day: string; total: number }[];
}

const NAMED = ['sale_started', 'ending_soon', 'back_in_stock', 'queued', 'stored', 'sent', 'delivered', 'failed', 'muted', 'quiet', 'capped'] as const;
type Named = (typeof NAMED)[number];
/** The server's word for a kind or a fate in ours; one that is newer than this app as it is. */
const named = (name: string) => (NAMED.includes(name as Named) ? m(`notification.${name as Named}`) : name);

function Table({ title, numbers }: { title: string; numbers: Record<string, number> }) {
  const rows = Object.entries(numbers).filter(([, value]) => value > 0);
  return (
    <section class="card padded">
      <h2>{title}</h2>
      <table>
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{named(name)}</th>
              <td>{count(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const DAYS = 30;
const DAY_MS = 86_400_000;

/** Every day of the last thirty, in UTC as the server counts, also those on which nothing was sent. */
function month(by_day: Stats['by_day']): Stats['by_day'] {
  const totals = new Map(by_day.map(({ day, total }) => [day, total]));
  return Array.from({ length: DAYS }, (_, index) => {
    const day = new Date(now() - (DAYS - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return { day, total: totals.get(day) ?? 0 };
  });
}

export function NotificationStats({ store }: { store: Store }) {
  const stats = useSignal<Stats | null>(null);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    get<Stats>(`/stores/${store.id}/notification-stats?days=30`).then((found) => (stats.value = found), (error) => (failure.value = error));
  }, [store.id]);
  const found = stats.value;
  if (!found) return <Refused error={failure.value} />;
  const daily = month(found.by_day);
  const most = Math.max(1, ...daily.map(({ total }) => total));
  return (
    <div class="stack" data-testid="notification-stats">
      <dl class="tiles">
        <div class="card stat">
          <dt>{m('notifications.total')}</dt>
          <dd data-testid="notified">{count(found.total)}</dd>
        </div>
        <div class="card stat">
          <dt>{m('notifications.users')}</dt>
          <dd data-testid="people-notified">{count(found.unique_users)}</dd>
        </div>
      </dl>
      {found.by_day.length === 0 && <p class="notice">{m('notifications.none')}</p>}
      {found.by_day.length > 0 && (
        <>
          <section class="card padded stack">
            <h2>{m('notifications.by-day')}</h2>
            <div class="days" role="img" aria-label={found.by_day.map(({ day, total }) => `${calendarDay(day)}: ${count(total)}`).join(', ')}>
              {daily.map(({ day, total }) => (
                <i key={day} data-none={total === 0} title={`${calendarDay(day)}: ${count(total)}`} style={{ height: `${(100 * total) / most}%` }} />
              ))}
            </div>
            <div class="row apart" aria-hidden="true">
              <span>{calendarDay(daily[0]?.day ?? '')}</span>
              <span>{m('notifications.most', { n: count(most) })}</span>
              <span>{calendarDay(daily.at(-1)?.day ?? '')}</span>
            </div>
          </section>
          <div class="charts">
            <Table title={m('notifications.by-status')} numbers={found.by_status} />
            <Table title={m('notifications.by-type')} numbers={found.by_type} />
          </div>
        </>
      )}
    </div>
  );
}
