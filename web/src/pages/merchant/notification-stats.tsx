// What a store's notifications did in 30 days. A server without them answers 404; then the page says so.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../../core/api';
import { count } from '../../core/format';
import type { Store } from '../../core/types';
import { m } from './words';

interface Stats {
  total: number;
  unique_users: number;
  by_status: Record<string, number>;
  by_type: Record<string, number>;
  by_day: { day: string; total: number }[];
}

function Table({ title, rows }: { title: string; rows: [string, number][] }) {
  return (
    <section class="card padded">
      <h2>{title}</h2>
      <table>
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
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
  const missing = useSignal(false);
  useEffect(() => {
    get<Stats>(`/stores/${store.id}/notification-stats?days=30`).then((found) => (stats.value = found), () => (missing.value = true));
  }, [store.id]);
  const found = stats.value;
  if (missing.value) return <p class="notice">{m('notifications.none')}</p>;
  if (!found) return null;
  const daily = [...found.by_day].sort((a, b) => a.day.localeCompare(b.day));
  const most = Math.max(1, ...daily.map(({ total }) => total));
  return (
    <div class="stack">
      <dl class="tiles">
        <div class="card stat">
          <dt>{m('notifications.total')}</dt>
          <dd>{count(found.total)}</dd>
        </div>
        <div class="card stat">
          <dt>{m('notifications.users')}</dt>
          <dd>{count(found.unique_users)}</dd>
        </div>
      </dl>
      {daily.length > 0 && (
        <section class="card padded stack">
          <h2>{m('notifications.by-day')}</h2>
          <div class="days" role="img" aria-label={daily.map(({ day, total }) => `${day}: ${total}`).join(', ')}>
            {daily.map(({ day, total }) => (
              <i key={day} title={`${day}: ${total}`} style={{ height: `${(100 * total) / most}%` }} />
            ))}
          </div>
        </section>
      )}
      <div class="charts">
        <Table title={m('notifications.by-status')} rows={Object.entries(found.by_status ?? {})} />
        <Table title={m('notifications.by-type')} rows={Object.entries(found.by_type ?? {})} />
      </div>
    </div>
  );
}
