// Who works at a store.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get } from '../../core/api';
import type { StaffRole, Store } from '../../core/types';
import { t } from '../../i18n';
import { Icon } from '../../ui/icons';
import { Field, Refused, useAction } from '../../ui/kit';
import { m } from './words';

interface Member {
  user_id: string;
  display_name?: string;
  role: StaffRole;
}

export function Staff({ store }: { store: Store }) {
  const members = useSignal<Member[]>([]);
  const action = useAction();
  const load = async () => {
    members.value = (await get<{ items: Member[] }>(`/stores/${store.id}/staff`)).items;
  };
  useEffect(() => action.run(load), [store.id]);
  const owns = store.your_role === 'owner';
  return (
    <section class="card padded stack">
      <h2>{m('tab.staff')}</h2>
      <ul class="stack tight">
        {members.value.map((member) => (
          <li class="row apart" key={member.user_id}>
            <span class="row">
              <Icon name="user" />
              <strong>{member.display_name}</strong>
              <span class="badge">{m(`role.${member.role}`)}</span>
            </span>
            {owns && member.role !== 'owner' && (
              <button
                class="button small"
                type="button"
                aria-label={`${t('common.remove')}: ${member.display_name ?? member.user_id}`}
                onClick={() => action.run(() => call('DELETE', `/stores/${store.id}/staff/${member.user_id}`).then(load))}
              >
                {t('common.remove')}
              </button>
            )}
          </li>
        ))}
      </ul>
      {owns && (
        <form
          class="columns"
          onSubmit={(event) => {
            event.preventDefault();
            const form = new FormData(event.currentTarget);
            const user = encodeURIComponent(String(form.get('user')).trim());
            action.run(() => call('PUT', `/stores/${store.id}/staff/${user}`, { role: form.get('role') }).then(load));
          }}
        >
          <Field label={m('staff.user')} name="user" required hint={m('staff.user.hint')} />
          <Field label={m('staff.role')} name="role" defaultValue="clerk">
            <option value="clerk">{m('role.clerk')}</option>
            <option value="manager">{m('role.manager')}</option>
          </Field>
          <button class="button" type="submit" disabled={action.busy}>
            {t('common.add')}
          </button>
        </form>
      )}
      <Refused error={action.error} />
    </section>
  );
}
