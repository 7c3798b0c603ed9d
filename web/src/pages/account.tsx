// One's profile, what one wants to hear of, how the app looks; signing out and being forgotten.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, get, session, setUser, signOut } from '../core/api';
import { dateTime } from '../core/format';
import { go } from '../core/router';
import { setTheme, theme, type Theme } from '../core/theme';
import type { User } from '../core/types';
import { language, setLanguage, t, type Key } from '../i18n';
import { Dialog, Field, fieldErrors, reason, say, useAction } from '../ui/kit';

const PREFERENCES: [string, Key][] = [
  ['enabled', 'account.pref.enabled'],
  ['followed_stores', 'account.pref.followed'],
  ['nearby', 'account.pref.nearby'],
  ['claims', 'account.pref.claims'],
  ['email', 'account.pref.email'],
  ['sms', 'account.pref.sms'],
  ['push', 'account.pref.push'],
];

function Profile({ user }: { user: User }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  return (
    <form
      class="card padded stack"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        const phone = String(form.get('phone') ?? '').trim();
        action.run(async () => {
          setUser(await call<User>('PATCH', '/me', { display_name: String(form.get('name')), phone: phone || null, language: language.value }));
          say(t('common.saved'));
        });
      }}
    >
      <h2>{t('account.profile')}</h2>
      <p class="muted small">
        {user.email}
        <br />
        {t('account.id')}: <code>{user.id}</code>
        {user.segment && (
          <>
            <br />
            {t('account.segment', { date: dateTime(user.created_at), segment: t(`segment.${user.segment}` as 'segment.new') })}
          </>
        )}
      </p>
      <Field label={t('sign-in.name')} name="name" defaultValue={user.display_name} required error={errors['/display_name']} />
      <Field
        label={`${t('account.phone')} (${t('common.optional')})`}
        name="phone"
        type="tel"
        defaultValue={user.phone ?? ''}
        hint={t('account.phone.hint')}
        error={errors['/phone']}
      />
      {action.error !== null && (
        <p class="notice bad" role="alert">
          {reason(action.error)}
        </p>
      )}
      <button class="button primary" type="submit" disabled={action.busy}>
        {t('common.save')}
      </button>
    </form>
  );
}

function Preferences({ user }: { user: User }) {
  const save = (change: Record<string, unknown>) =>
    call<User>('PATCH', '/me', { notification_preferences: { ...user.notification_preferences, ...change } }).then(setUser, (error) => say(reason(error)));
  const quiet = (name: 'quiet_from' | 'quiet_to') => String(user.notification_preferences[name] ?? '');
  return (
    <section class="card padded stack">
      <h2>{t('account.preferences')}</h2>
      {PREFERENCES.map(([name, label]) => (
        <label class="row apart switch" key={name}>
          <span>{t(label)}</span>
          <input
            type="checkbox"
            role="switch"
            checked={user.notification_preferences[name] !== false}
            onChange={(event) => void save({ [name]: event.currentTarget.checked })}
          />
        </label>
      ))}
      <fieldset class="plain">
        <legend class="legend">{t('account.quiet')}</legend>
        <div class="columns">
          <Field label={t('account.quiet.from')} type="time" value={quiet('quiet_from')} onChange={(event) => void save({ quiet_from: event.currentTarget.value })} />
          <Field label={t('account.quiet.to')} type="time" value={quiet('quiet_to')} onChange={(event) => void save({ quiet_to: event.currentTarget.value })} />
        </div>
      </fieldset>
    </section>
  );
}

function Looks() {
  return (
    <section class="card padded stack">
      <div class="plain" role="group" aria-label={t('nav.theme')}>
        <span class="legend">{t('nav.theme')}</span>
        <div class="row wrap">
          {(['auto', 'light', 'dark'] as Theme[]).map((name) => (
            <button key={name} class="chip" type="button" aria-pressed={theme.value === name} onClick={() => setTheme(name)}>
              {t(`theme.${name}` as Key)}
            </button>
          ))}
        </div>
      </div>
      <div class="plain" role="group" aria-label={t('nav.language')}>
        <span class="legend">{t('nav.language')}</span>
        <div class="row">
          {(['es', 'en'] as const).map((name) => (
            <button key={name} class="chip" type="button" lang={name} aria-pressed={language.value === name} onClick={() => setLanguage(name)}>
              {name === 'es' ? 'Español' : 'English'}
            </button>
          ))}
        </div>
      </div>
    </section>
  );
}

export function Account() {
  const deleting = useSignal(false);
  const action = useAction();
  useEffect(() => {
    get<User>('/me').then(setUser, () => undefined);
  }, []);
  const user = session.value?.user;
  if (!user) return null;
  return (
    <div class="page narrow">
      <h1>{t('account.title')}</h1>
      <Profile user={user} />
      <Preferences user={user} />
      <Looks />
      <div class="row apart">
        <button class="button" type="button" onClick={() => void signOut().then(() => go('/'))}>
          {t('account.sign-out')}
        </button>
        <button class="button quiet danger" type="button" onClick={() => (deleting.value = true)}>
          {t('account.delete')}
        </button>
      </div>
      {deleting.value && (
        <Dialog title={t('account.delete')} onClose={() => (deleting.value = false)}>
          <p>{t('account.delete.sure')}</p>
          {action.error !== null && (
            <p class="notice bad" role="alert">
              {reason(action.error)}
            </p>
          )}
          <button
            class="button danger block"
            type="button"
            disabled={action.busy}
            onClick={() =>
              action.run(async () => {
                await call('DELETE', '/me');
                await signOut();
                go('/');
              })
            }
          >
            {t('account.delete')}
          </button>
        </Dialog>
      )}
    </div>
  );
}
