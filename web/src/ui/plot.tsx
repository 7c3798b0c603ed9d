// A live chart: one series over time, drawn by uPlot in the colours of the app.
import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { isDark } from '../core/theme';
import { locale } from '../i18n';

export interface Series {
  /** Seconds since 1970. */
  x: number[];
  y: number[];
}

/** Steps of the upward axis: what is counted is whole. */
const STEPS = [1, 2, 5].flatMap((step) => [step, step * 10, step * 100, step * 1e3, step * 1e4, step * 1e5]).sort((a, b) => a - b);

/** Steps along the time, in seconds: labels that differ. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** `about` says in words what the drawing shows. */
export function Plot({ series, about, stepped = false, v }: { series: Series; about: string; stepped?: boolean; v: number }) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const frame = element.current;
    if (!frame) return;
    const stop = effect(() => {
      void isDark.value;
      const style = getComputedStyle(document.documentElement);
      const colour = (name: string) => style.getPropertyValue(name).trim();
      const time = new Intl.DateTimeFormat(locale.value, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
      const axis = { stroke: colour('--ink-2'), font: '500 12px Jakarta, sans-serif', grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
      plot.current?.destroy();
      plot.current = new uPlot(
        {
          width: frame.clientWidth,
          height: 210,
          // Half a label's width: the last one is as readable as the others.
          padding: [10, 32, 0, 0],
          cursor: { y: false },
          legend: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
          axes: [{ ...axis, incrs: SECONDS, size: 30, values: (_, splits) => splits.map((at) => time.format(at * 1000)), space: 90 }, { ...axis, incrs: STEPS, size: (_, labels) => 18 + 8 * Math.max(2, ...(labels ?? []).map((label) => label.length)) }],
          series: [
            {},
            {
              stroke: colour('--flame'),
              fill: colour('--flame-soft'),
              width: 2.5,
              points: { show: false },
              ...(stepped && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
            },
          ],
        },
        [series.x, series.y],
        frame,
      );
    });
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: frame.clientWidth, height: 210 }));
    observer.observe(frame);
    return () => {
      stop();
      observer.disconnect();
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData([series.x, series.y]), [v]);
  return <div ref={element} class="plot" role="img" aria-label={about} data-points={series.x.length} />;
}
