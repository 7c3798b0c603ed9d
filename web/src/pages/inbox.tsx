// The notification inbox, newest first; opening one reads it.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get } from '../core/api';
import { unread } from '../core/claims';
import { dateTime } from '../core/format';
import { arrived } from '../core/live';
import type { Notification, Page } from '../core/types';
import { t } from '../i18n';
import { headline } from '../ui/headline';
import { Price, Tile } from '../ui/deal';
import { Icon } from '../ui/icons';
import { Empty, Refused } from '../ui/kit';

const PATH = '/notifications?limit=50';

/** Notes on the server what was read, and how much is not. */
async function read(which: { all: true } | { ids: string[] }): Promise<void> {
  unread.value = (await call<{ unread: number }>('POST', '/notifications/read', which)).unread;
}

function Message({ one, onOpen }: { one: Notification; onOpen: () => void }) {
  return (
    <li class="card message" data-testid="notification" data-unread={!one.read_at}>
      <Tile name={one.product.name} image={one.product.image_url} />
      <div class="stack tight grow">
        <h2>
          <a href={`/deals/${one.promotion_id}`} onClick={onOpen}>
            {headline(one)}
          </a>
        </h2>
        <p class="small muted">
          {one.store.name} · <time dateTime={one.created_at}>{dateTime(one.created_at)}</time>
        </p>
        <Price offer={one} />
        <p class="small">{t('inbox.until', { time: dateTime(one.ends_at) })}</p>
      </div>
    </li>
  );
}

export function Inbox() {
  const items = useSignal<Notification[] | null>(null);
  const cursor = useSignal<string | null>(null);
  const failure = useSignal<unknown>(null);
  const attempt = (work: Promise<unknown>) => void work.then(() => (failure.value = null), (error) => (failure.value = error));
  const load = async () => {
    const page = await get<Page<Notification>>(PATH);
    [items.value, cursor.value] = [page.items, page.next_cursor];
  };
  const more = async () => {
    const page = await get<Page<Notification>>(`${PATH}&cursor=${encodeURIComponent(cursor.value ?? '')}`);
    [items.value, cursor.value] = [[...(items.value ?? []), ...page.items], page.next_cursor];
  };
  const came = arrived.value?.id;
  useEffect(() => attempt(load()), [came]);
  const list = items.value;
  return (
    <div class="page narrow">
      <div class="row apart">
        <h1>{t('inbox.title')}</h1>
        {list?.some((one) => !one.read_at) && (
          <button class="button small" type="button" onClick={() => attempt(read({ all: true }).then(load))}>
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
          <Message key={one.id} one={one} onOpen={() => !one.read_at && void read({ ids: [one.id] }).catch(() => undefined)} />
        ))}
      </ul>
      {cursor.value && (
        <button class="button" type="button" onClick={() => attempt(more())}>
          {t('common.more')}
        </button>
      )}
    </div>
  );
}
