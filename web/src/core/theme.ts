// Light or dark: as the device says, or as chosen.
import { effect, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const KEPT = 'flash.theme';

function restore(): Theme {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === 'light' || kept === 'dark') return kept;
  } catch {
    // As the device says.
  }
  return 'auto';
}

export const theme = signal<Theme>(restore());
const device = matchMedia('(prefers-color-scheme: dark)');
const deviceIsDark = signal(device.matches);
device.addEventListener('change', () => (deviceIsDark.value = device.matches));

/** What is shown. */
export const isDark = signal(false);
effect(() => {
  isDark.value = theme.value === 'dark' || (theme.value === 'auto' && deviceIsDark.value);
  document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light';
});

export function setTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // Chosen again next time.
  }
}
