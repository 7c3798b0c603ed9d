// What was sent to a webhook, newest first: how it fared, what the other side answered, and sending it again.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get } from '../../core/api';
import { count, dateTime } from '../../core/format';
import type { Page } from '../../core/types';
import { t } from '../../i18n';
import { Refused, say } from '../../ui/kit';
import { eventName } from './webhooks';
import { m } from './words';

interface Delivery {
  id: string;
  type: string;
  status: 'waiting' | 'delivered' | 'failed';
  tries: number;
  /** What the other side answered last; empty before it did. */
  answer: string;
  created_at: string;
  due_at?: string;
  delivered_at?: string;
}

const TONE = { waiting: 'warn', delivered: 'good', failed: 'bad' } as const;
const EVERY_MS = 5000;
const SHOWN = 20;

/** `path` is the webhook's. */
export function Deliveries({ path }: { path: string }) {
  const items = useSignal<Delivery[] | null>(null);
  const more = useSignal(false);
  /** How many are wanted; all of them are asked for anew each time, for their fates change. */
  const wanted = useSignal(SHOWN);
  const failure = useSignal<unknown>(null);
  const load = async () => {
    const page = await get<Page<Delivery>>(`${path}/messages?limit=${wanted.peek()}`);
    [items.value, more.value] = [page.items, page.next_cursor !== null && wanted.peek() < 100];
  };
  const attempt = (work: Promise<unknown>) => void work.then(() => (failure.value = null), (error) => (failure.value = error));
  useEffect(() => {
    attempt(load());
    const timer = setInterval(() => !document.hidden && attempt(load()), EVERY_MS);
    return () => clearInterval(timer);
  }, [path]);
  const replay = (one: Delivery) =>
    attempt(
      call('POST', `${path}/messages/${one.id}/replay`).then(() => {
        say(m('webhooks.replayed'));
        return load();
      }),
    );
  return (
    <div class="stack tight" data-testid="deliveries">
      <Refused error={failure.value} />
      {items.value?.length === 0 && <p class="muted">{m('webhooks.nothing')}</p>}
      <ul class="lines">
        {items.value?.map((one) => (
          <li key={one.id} class="delivery" data-status={one.status}>
            <span class="row wrap">
              <span class={`badge ${TONE[one.status]}`}>{m(`delivery.${one.status}`)}</span>
              <strong>{eventName(one.type)}</strong>
            </span>
            <span class="small muted">
              {dateTime(one.created_at)} · {m(one.tries === 1 ? 'webhooks.tries.one' : 'webhooks.tries.many', { n: count(one.tries) })}
              {one.status === 'waiting' && one.tries > 0 && one.due_at && ` · ${m('webhooks.again', { time: dateTime(one.due_at) })}`}
            </span>
            {one.answer && <span class="small break">{m('webhooks.answer', { answer: one.answer })}</span>}
            <button class="button small" type="button" aria-label={`${m('webhooks.replay')}: ${eventName(one.type)}, ${dateTime(one.created_at)}`} onClick={() => replay(one)}>
              {m('webhooks.replay')}
            </button>
          </li>
        ))}
      </ul>
      {more.value && (
        <button
          class="button small"
          type="button"
          onClick={() => {
            wanted.value = 100;
            attempt(load());
          }}
        >
          {t('common.more')}
        </button>
      )}
    </div>
  );
}
