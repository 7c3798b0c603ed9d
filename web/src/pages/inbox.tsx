// The notification inbox. A server that has none yet answers 404: then the page says that there are no messages.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get, Problem } from '../core/api';
import { unread } from '../core/claims';
import { dateTime } from '../core/format';
import { arrived } from '../core/live';
import type { Notification } from '../core/types';
import { t } from '../i18n';
import { headline } from '../ui/headline';
import { Price, Tile } from '../ui/deal';
import { Icon } from '../ui/icons';
import { Empty, Refused } from '../ui/kit';

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
  const came = arrived.value?.id;
  useEffect(() => void load(), [came]);
  const readAll = async () => {
    unread.value = (await call<{ unread: number }>('POST', '/notifications/read', { all: true })).unread;
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
      <Refused error={failure.value} />
      {list?.length === 0 && (
        <Empty icon="bell" title={t('inbox.none')}>
          <p>{t('inbox.none.lead')}</p>
        </Empty>
      )}
      <ul class="stack tight">
        {list?.map((one) => (
          <li class="card message" key={one.id} data-testid="notification" data-unread={!one.read_at}>
            <Tile name={one.product.name} image={one.product.image_url} />
            <div class="stack tight grow">
              <h2>
                <a href={`/deals/${one.promotion_id}`}>{headline(one)}</a>
              </h2>
              <p class="small muted">
                {one.store.name} · <time dateTime={one.created_at}>{dateTime(one.created_at)}</time>
              </p>
              <Price offer={one} />
              <p class="small">{t('inbox.until', { time: dateTime(one.ends_at) })}</p>
            </div>
          </li>
        ))}
      </ul>
    </div>
  );
}
