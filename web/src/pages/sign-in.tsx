// Signing in, and making an account.
import { useSignal } from '@preact/signals';
import { begin, call } from '../core/api';
import { go } from '../core/router';
import type { Role, SignedIn } from '../core/types';
import { t } from '../i18n';
import { Icon, Mark } from '../ui/icons';
import { Field, fieldErrors, Refused, say, useAction } from '../ui/kit';

const HOME: Record<Role, string> = { shopper: '/', merchant: '/merchant', admin: '/operations' };

/** Where a new merchant account begins. */
export const NEW_MERCHANT = '/sign-in?new=merchant';

/** The page of the app that one came from, if the address names one: never another site. */
function back(): string | null {
  const to = new URLSearchParams(location.search).get('to');
  return to?.startsWith('/') && new URL(to, location.origin).origin === location.origin ? to : null;
}

export function SignIn({ needed = false }: { needed?: boolean }) {
  const asked = new URLSearchParams(location.search).get('new');
  const isNew = useSignal(asked !== null);
  const role = useSignal<'shopper' | 'merchant'>(asked === 'merchant' ? 'merchant' : 'shopper');
  const action = useAction();
  const errors = fieldErrors(action.error);
  const submit = (form: HTMLFormElement) =>
    action.run(async () => {
      const value = (name: string) => String(new FormData(form).get(name) ?? '');
      const body = { email: value('email').trim(), password: value('password') };
      const signed = isNew.value
        ? await call<SignedIn>('POST', '/auth/register', { ...body, display_name: value('name'), role: role.value })
        : await call<SignedIn>('POST', '/auth/login', body);
      begin(signed);
      say(t('sign-in.welcome', { name: signed.user.display_name }));
      if (!needed) go(back() ?? HOME[signed.user.role]);
    });
  return (
    <div class="page narrow signin">
      <div class="center">
        <Mark size={56} />
        <h1>{t(isNew.value ? 'sign-in.register' : 'sign-in.title')}</h1>
        <p class="muted">{t(needed ? 'sign-in.needed' : 'sign-in.lead')}</p>
      </div>
      <form
        class="card padded stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit(event.currentTarget);
        }}
      >
        {isNew.value && (
          <>
            <fieldset class="plain">
              <legend class="legend">{t('sign-in.role')}</legend>
              <div class="row wrap">
                {(['shopper', 'merchant'] as const).map((name) => (
                  <button key={name} class="chip grow" type="button" aria-pressed={role.value === name} onClick={() => (role.value = name)}>
                    <Icon name={name === 'shopper' ? 'bolt' : 'store'} size={17} />
                    {t(`sign-in.role.${name}`)}
                  </button>
                ))}
              </div>
            </fieldset>
            <Field label={t('sign-in.name')} name="name" required autocomplete="name" error={errors['/display_name']} />
          </>
        )}
        <Field label={t('sign-in.email')} name="email" type="email" required autocomplete="email" error={errors['/email']} />
        <Field
          label={t('sign-in.password')}
          name="password"
          type="password"
          required
          minLength={8}
          autocomplete={isNew.value ? 'new-password' : 'current-password'}
          hint={isNew.value ? t('sign-in.password.hint') : undefined}
          error={errors['/password']}
        />
        <Refused error={action.error} />
        <button class="button primary big block" type="submit" disabled={action.busy}>
          {t(isNew.value ? 'sign-in.register' : 'sign-in.submit')}
        </button>
      </form>
      <p class="center">
        <button class="button quiet" type="button" onClick={() => (isNew.value = !isNew.value)}>
          {t(isNew.value ? 'sign-in.have' : 'sign-in.new')} <strong>{t(isNew.value ? 'sign-in.title' : 'sign-in.register')}</strong>
        </button>
      </p>
    </div>
  );
}
