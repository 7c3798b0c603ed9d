// A notification in one line.
import type { Notification } from '../core/types';
import { known, t } from '../i18n';

export function headline(one: Notification): string {
  const key = `inbox.${one.type}`;
  return known(key) ? t(key, { product: one.product.name }) : one.product.name;
}
