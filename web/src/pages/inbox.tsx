// The notification inbox. A server that has none yet answers 404: then the page says that there are no messages.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get, Problem } from '../core/api';
import { unread } from '../core/claims';
import { dateTime } from '../core/format';
import { arrived } from '../core/live';
import { t } from '../i18n';
import { Icon } from '../ui/icons';
import { Empty, reason } from '../ui/kit';

interface Notification {
  id: string;
  type: string;
  title?: string;
  body?: string;
  promotion_id?: string | null;
  created_at: string;
  read_at?: string | null;
}

export function Inbox() {
  const items = useSignal<Notification[] | null>(null);
  const failure = useSignal<unknown>(null);
  const load = () =>
    get<{ items: Notification[] }>('/notifications?limit=50').then(
      (page) => (items.value = page.items),
      (error) => {
        if (error instanceof Problem && error.status === 404) items.value = [];
        else failure.value = error;
      },
    );
  const came = arrived.value;
  useEffect(() => void load(), [came]);
  const readAll = async () => {
    const ids = (items.value ?? []).filter((one) => !one.read_at).map((one) => one.id);
    await call('POST', '/notifications/read', { ids });
    unread.value = 0;
    await load();
  };
  const list = items.value;
  return (
    <div class="page narrow">
      <div class="row apart">
        <h1>{t('inbox.title')}</h1>
        {list?.some((one) => !one.read_at) && (
          <button class="button small" type="button" onClick={() => void readAll().catch((error) => (failure.value = error))}>
            <Icon name="check" size={16} />
            {t('inbox.read-all')}
          </button>
        )}
      </div>
      {failure.value !== null && (
        <p class="notice bad" role="alert">
          {reason(failure.value)}
        </p>
      )}
      {list?.length === 0 && (
        <Empty icon="bell" title={t('inbox.none')}>
          <p>{t('inbox.none.lead')}</p>
        </Empty>
      )}
      <ul class="stack tight">
        {list?.map((one) => (
          <li class="card padded message" key={one.id} data-unread={!one.read_at}>
            <div class="row apart">
              <h3>{one.promotion_id ? <a href={`/deals/${one.promotion_id}`}>{one.title ?? one.type}</a> : (one.title ?? one.type)}</h3>
              <time class="small muted" dateTime={one.created_at}>
                {dateTime(one.created_at)}
              </time>
            </div>
            {one.body && <p>{one.body}</p>}
          </li>
        ))}
      </ul>
    </div>
  );
}
