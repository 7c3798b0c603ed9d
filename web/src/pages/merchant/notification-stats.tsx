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
  by_day: { day?: string; date?: string; count?: number; total?: number }[] | Record<string, number>;
}

/** The days in order, whichever of its two shapes the answer has. */
function days(stats: Stats): [string, number][] {
  const found = stats.by_day ?? [];
  const pairs: [string, number][] = Array.isArray(found)
    ? found.map((one) => [one.day ?? one.date ?? '', one.count ?? one.total ?? 0])
    : Object.entries(found);
  return pairs.sort(([a], [b]) => a.localeCompare(b));
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
  const daily = days(found);
  const most = Math.max(1, ...daily.map(([, value]) => value));
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
          <div class="days" role="img" aria-label={daily.map(([day, value]) => `${day}: ${value}`).join(', ')}>
            {daily.map(([day, value]) => (
              <i key={day} title={`${day}: ${value}`} style={{ height: `${(100 * value) / most}%` }} />
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
