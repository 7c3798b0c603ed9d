// A store's webhooks: which of the store's servers hear of its sales, what was sent to each, sending again, and secrets.
// Secrets are shown once, as the server gives them once.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, create, get } from '../../core/api';
import { dateTime } from '../../core/format';
import { freshKey } from '../../core/ids';
import type { Page, Store } from '../../core/types';
import { t } from '../../i18n';
import { Icon } from '../../ui/icons';
import { Copy, Dialog, Empty, Field, fieldErrors, Refused, say, useAction } from '../../ui/kit';
import { Deliveries } from './deliveries';
import { m } from './words';

export const EVENTS = ['promotion.started', 'promotion.sold_out', 'promotion.ended', 'claim.confirmed', 'claim.redeemed'] as const;
type EventName = (typeof EVENTS)[number];
/** The server's name of an event in words; one that is newer than this app as it is. */
export const eventName = (name: string) => (EVENTS.includes(name as EventName) ? m(`event.${name as EventName}`) : name);

export interface Webhook {
  id: string;
  url: string;
  /** None means all. */
  events: string[];
  created_at: string;
}

interface WithSecret extends Webhook {
  secret?: string;
  previous_secret_until?: string;
}

function NewWebhook({ store, onClose, onDone }: { store: Store; onClose: () => void; onDone: (made: WithSecret) => void }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  const key = useSignal(freshKey());
  const chosen = useSignal<string[]>([]);
  const submit = (form: FormData) =>
    action.run(async () => {
      const body = { url: String(form.get('url')).trim(), events: chosen.value };
      const made = await create<WithSecret>(`/stores/${store.id}/webhooks`, body, key.value).catch((error: unknown) => {
        key.value = freshKey();
        throw error;
      });
      onDone(made);
    });
  return (
    <Dialog title={m('webhooks.new')} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit(new FormData(event.currentTarget));
        }}
      >
        <Field label={m('webhooks.url')} name="url" type="url" required placeholder="https://" maxLength={2048} hint={m('webhooks.url.hint')} error={errors['/url']} />
        <fieldset class="plain">
          <legend class="legend">{m('webhooks.events')}</legend>
          {EVENTS.map((name) => (
            <label class="row check" key={name}>
              <input
                type="checkbox"
                checked={chosen.value.includes(name)}
                onChange={(event) => (chosen.value = event.currentTarget.checked ? [...chosen.value, name] : chosen.value.filter((one) => one !== name))}
              />
              <span>
                {m(`event.${name}`)} <code class="small muted">{name}</code>
              </span>
            </label>
          ))}
        </fieldset>
        <Refused error={action.error} />
        <button class="button primary big" type="submit" disabled={action.busy}>
          {t('common.add')}
        </button>
      </form>
    </Dialog>
  );
}

/** The one time that a secret is seen. */
function Secret({ of, onClose }: { of: WithSecret; onClose: () => void }) {
  return (
    <Dialog title={m('webhooks.secret')} onClose={onClose}>
      <p>{m('webhooks.secret.lead')}</p>
      {of.previous_secret_until && <p class="muted">{m('webhooks.secret.previous', { time: dateTime(of.previous_secret_until) })}</p>}
      <Copy text={of.secret ?? ''} label={m('webhooks.secret')} id="secret" />
      <button class="button primary big" type="button" onClick={onClose}>
        {m('webhooks.secret.kept')}
      </button>
    </Dialog>
  );
}

function Row({ store, webhook, onSecret, onGone }: { store: Store; webhook: Webhook; onSecret: (of: WithSecret) => void; onGone: () => void }) {
  const action = useAction();
  const asking = useSignal<'rotate' | 'remove' | null>(null);
  const open = useSignal(false);
  const path = `/stores/${store.id}/webhooks/${webhook.id}`;
  const rotate = () =>
    action.run(async () => {
      const fresh = await call<WithSecret>('POST', `${path}/rotate`);
      asking.value = null;
      onSecret(fresh);
    });
  const remove = () =>
    action.run(async () => {
      await call('DELETE', path);
      asking.value = null;
      say(m('webhooks.removed'));
      onGone();
    });
  const ask = asking.value;
  return (
    <li class="card padded stack" data-testid="webhook" data-id={webhook.id}>
      <div class="stack tight">
        <h3 class="break">{webhook.url}</h3>
        <p class="small muted">{webhook.events.length > 0 ? webhook.events.map(eventName).join(' · ') : m('webhooks.all')}</p>
        <p class="small muted">{m('webhooks.since', { time: dateTime(webhook.created_at) })}</p>
      </div>
      <div class="row wrap">
        <button class="button small" type="button" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
          <Icon name="list" size={16} />
          {m(open.value ? 'webhooks.hide' : 'webhooks.show')}
        </button>
        <button class="button small" type="button" onClick={() => (asking.value = 'rotate')}>
          {m('webhooks.rotate')}
        </button>
        <button class="button small danger" type="button" onClick={() => (asking.value = 'remove')}>
          {t('common.remove')}
        </button>
      </div>
      {open.value && <Deliveries path={path} />}
      {ask && (
        <Dialog title={m(`webhooks.${ask}`)} onClose={() => (asking.value = null)}>
          <p class="break">
            <strong>{webhook.url}</strong>
          </p>
          <p>{m(`webhooks.${ask}.sure`)}</p>
          <Refused error={action.error} />
          <button class={`button block ${ask === 'remove' ? 'danger' : 'primary'}`} type="button" disabled={action.busy} onClick={ask === 'remove' ? remove : rotate}>
            {m(`webhooks.${ask}`)}
          </button>
        </Dialog>
      )}
    </li>
  );
}

export function Webhooks({ store }: { store: Store }) {
  const found = useSignal<Webhook[] | null>(null);
  const failure = useSignal<unknown>(null);
  const adding = useSignal(false);
  const secret = useSignal<WithSecret | null>(null);
  const load = () =>
    void get<Page<Webhook>>(`/stores/${store.id}/webhooks`).then((page) => (found.value = page.items), (error) => (failure.value = error));
  useEffect(load, [store.id]);
  return (
    <section class="stack">
      <div class="row apart wrap">
        <h2>{m('tab.webhooks')}</h2>
        <button class="button" type="button" onClick={() => (adding.value = true)}>
          <Icon name="plus" size={18} />
          {m('webhooks.new')}
        </button>
      </div>
      <p class="muted">{m('webhooks.lead')}</p>
      <Refused error={failure.value} />
      {found.value?.length === 0 && (
        <Empty icon="hook" title={m('webhooks.none')}>
          <p>{m('webhooks.none.lead')}</p>
        </Empty>
      )}
      <ul class="stack">
        {found.value?.map((webhook) => (
          <Row key={webhook.id} store={store} webhook={webhook} onSecret={(of) => (secret.value = of)} onGone={load} />
        ))}
      </ul>
      {adding.value && (
        <NewWebhook
          store={store}
          onClose={() => (adding.value = false)}
          onDone={(made) => {
            adding.value = false;
            // A repeated request is answered without its secret: there is nothing to show then.
            if (made.secret) secret.value = made;
            load();
          }}
        />
      )}
      {secret.value && <Secret of={secret.value} onClose={() => (secret.value = null)} />}
    </section>
  );
}
