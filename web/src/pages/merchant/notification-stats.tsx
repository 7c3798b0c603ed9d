// What a store's notifications did in 30 days: how many, to how many people, how each fared.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../../core/api';
import { count } from '../../core/format';
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

export function NotificationStats({ store }: { store: Store }) {
  const stats = useSignal<Stats | null>(null);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    get<Stats>(`/stores/${store.id}/notification-stats?days=30`).then((found) => (stats.value = found), (error) => (failure.value = error));
  }, [store.id]);
  const found = stats.value;
  if (!found) return <Refused error={failure.value} />;
  const daily = [...found.by_day].sort((a, b) => a.day.localeCompare(b.day));
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
      {daily.length === 0 && <p class="notice">{m('notifications.none')}</p>}
      {daily.length > 0 && (
        <>
          <section class="card padded stack">
            <h2>{m('notifications.by-day')}</h2>
            <div class="days" role="img" aria-label={daily.map(({ day, total }) => `${day}: ${total}`).join(', ')}>
              {daily.map(({ day, total }) => (
                <i key={day} title={`${day}: ${total}`} style={{ height: `${(100 * total) / most}%` }} />
              ))}
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
