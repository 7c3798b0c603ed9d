// Line icons, drawn for this app on a grid of 24.
import type { SVGAttributes } from 'preact';

const PATHS = {
  bolt: 'M13.5 2.5 5 13.2h5.2L8.9 21.5 19 10.4h-5.9z',
  pin: 'M12 21.5s7-6.1 7-11.6a7 7 0 0 0-14 0c0 5.5 7 11.6 7 11.6zM12 12.4a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2z',
  ticket: 'M3.5 9V6.5a1 1 0 0 1 1-1h15a1 1 0 0 1 1 1V9a3 3 0 0 0 0 6v2.5a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1V15a3 3 0 0 0 0-6zM14 6v2.5M14 11v2M14 15.5V18',
  bell: 'M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15zM10 21h4',
  store: 'M4 10v9.5a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1V10M3 7l1.8-3.5h14.4L21 7v1a3 3 0 0 1-6 0 3 3 0 0 1-6 0 3 3 0 0 1-6 0zM10 20.5V15h4v5.5',
  pulse: 'M2.5 12h4l3-8 5 16 3-8h4',
  user: 'M12 12.5a4.2 4.2 0 1 0 0-8.4 4.2 4.2 0 0 0 0 8.4zM4 21c.6-3.9 3.9-6 8-6s7.4 2.1 8 6',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M4.5 12.5 10 18 20 6.5',
  search: 'M10.8 17.6a6.8 6.8 0 1 0 0-13.6 6.8 6.8 0 0 0 0 13.6zM15.8 15.8 21 21',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.2l3.4 2',
  map: 'M9 4 3.5 6v14L9 18l6 2 5.5-2V4L15 6zM9 4v14M15 6v14',
  list: 'M8 6h12M8 12h12M8 18h12M3.8 6h.4M3.8 12h.4M3.8 18h.4',
  locate: 'M12 19a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM12 2v3M12 19v3M2 12h3M19 12h3M12 13.4a1.4 1.4 0 1 0 0-2.8 1.4 1.4 0 0 0 0 2.8z',
  heart: 'M12 20.5S3.5 15.6 3.5 9.4A4.7 4.7 0 0 1 12 6.6a4.7 4.7 0 0 1 8.5 2.8c0 6.2-8.5 11.1-8.5 11.1z',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.5v15l12.5-7.5z',
  plus: 'M12 5v14M5 12h14',
  camera: 'M4 8h3.5L9 5.5h6L16.5 8H20a1 1 0 0 1 1 1v9.5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1zM12 17a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2z',
  download: 'M12 4v11M7 10.5l5 5 5-5M4.5 20h15',
  people: 'M9 11.5a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2zM2.5 20c.5-3.4 3.2-5.2 6.5-5.2s6 1.8 6.5 5.2M16 4.8a3.4 3.4 0 0 1 0 6.4M17.5 15.2c2.2.6 3.7 2.2 4 4.8',
  chart: 'M4 4v16h16M8 15.5l3.5-4.5 3 2.5L20 7',
  cog: 'M12 15.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1',
  hook: 'M9.5 8.5a3.4 3.4 0 1 1 4.7 3.1l3.1 5M12 17.5H7.6M17.5 20a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM6.5 20.3a2.8 2.8 0 1 1 1.2-5.3l2.9-4.8',
  copy: 'M9 9V5.5a1 1 0 0 1 1-1h8.5a1 1 0 0 1 1 1V14a1 1 0 0 1-1 1H15M5.5 9H14a1 1 0 0 1 1 1v8.5a1 1 0 0 1-1 1H5.5a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1z',
  chevron: 'M9 5.5 15.5 12 9 18.5',
  warning: 'M12 4 2.5 20h19zM12 10v4.5M12 17.2v.3',
  box: 'M3.5 8 12 3.5 20.5 8v8.5L12 21l-8.5-4.5zM3.5 8l8.5 4.5L20.5 8M12 12.5V21',
} as const;

export type IconName = keyof typeof PATHS;

/** An icon for the eye only: whatever it stands for is said in words beside it or in the control's label. */
export function Icon({ name, size = 20, fill = false, ...rest }: { name: IconName; size?: number; fill?: boolean } & Omit<SVGAttributes<SVGSVGElement>, 'name' | 'fill'>) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={fill ? 'currentColor' : 'none'}
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
      {...rest}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The product's mark. */
export function Mark({ size = 30 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" fill="#d83a0b" />
      <path d="M18.6 4.5 8 18.2h6.3L12.4 27.5 24 13.4h-6.8z" fill="#ffe14a" />
    </svg>
  );
}
