// A part of the app that is loaded when it is first shown.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n';

/** Wraps a component that a dynamic import gives; shows that it is on its way, and offers to try again. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [state, setState] = useState<'loading' | 'ready' | 'failed'>(loaded ? 'ready' : 'loading');
    useEffect(() => {
      if (state !== 'loading') return;
      let stopped = false;
      load().then(
        (component) => {
          loaded = component;
          if (!stopped) setState('ready');
        },
        () => !stopped && setState('failed'),
      );
      return () => {
        stopped = true;
      };
    }, [state]);
    if (state === 'ready' && loaded) {
      const Component = loaded;
      return <Component {...props} />;
    }
    return (
      <div class="empty">
        {state === 'failed' ? (
          // A part that does not load is mostly one of a build that the server no longer has: the whole page is.
          <button class="button" type="button" onClick={() => location.reload()}>
            {t('common.retry')}
          </button>
        ) : (
          <div class="spinner" role="status" aria-label={t('common.loading')} />
        )}
      </div>
    );
  };
}
