// The shopper's map: themself, to be dragged about; how far they look; and the deals as markers, live.
import { effect, signal, useComputed, useSignal, type ReadonlySignal } from '@preact/signals';
import type { FeatureCollection } from 'geojson';
import { latLngToCell } from 'h3-js';
import { Marker, NavigationControl, type GeoJSONSource, type Map as MapView } from 'maplibre-gl';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { deals, type Deal } from '../core/deals';
import { discountPercent, metres, money } from '../core/format';
import { distance } from '../core/geo';
import { here, radius, setHere, stopFollowing } from '../core/place';
import type { Offer, Place } from '../core/types';
import { search, visible } from '../core/view';
import { plural, t } from '../i18n';
import { stockLevel, stockWords } from '../ui/deal';
import { Icon } from '../ui/icons';
import { Countdown } from '../ui/kit';
import { cellPolygon, createMap, hasWebGl, nothing, resolutionAt, rings, zoomFor } from './base';
import '../styles/map.css';

/** Stores with a marker of their own; those farther away are dots. */
const MARKERS_MAX = 24;
/** While being dragged, the server is told this often. */
const WALK_MS = 150;
/** Where the map looks while nobody has said where they are. */
const OVERVIEW = { lat: 8, lng: -40 };

interface Spot {
  id: string;
  place: Place;
  deals: Deal[];
}

/** Deals by store, in the list's order. */
function spots(found: Deal[]): Spot[] {
  const stores = new Map<string, Spot>();
  for (const deal of found) {
    const { store } = deal.offer.peek();
    const spot = stores.get(store.id);
    if (spot) spot.deals.push(deal);
    else stores.set(store.id, { id: store.id, place: store.location, deals: [deal] });
  }
  return [...stores.values()];
}

function Pin({ offer, more, onOpen }: { offer: ReadonlySignal<Offer>; more: number; onOpen: () => void }) {
  const level = useComputed(() => stockLevel(offer.value));
  const words = useComputed(() => stockWords(offer.value));
  const now = offer.peek();
  const off = discountPercent(now.price, now.original_price);
  const place = here.value;
  return (
    <button class="pin" type="button" data-level={level} data-id={now.id} onClick={onOpen} aria-label={`${now.product.name}, ${now.store.name}`}>
      <span class="first">
        <strong class="num">{money(now.price)}</strong>
        {off > 0 && <span class="badge sun">{t('deals.off', { percent: off })}</span>}
        {more > 0 && <span class="badge">+{more}</span>}
      </span>
      <span class="second">
        <span class="num">{words}</span>
        <Countdown to={now.ends_at} />
        {place && <span class="num">{metres(distance(place, now.store.location))}</span>}
      </span>
    </button>
  );
}

/** Room that a pin takes, pixels; measured on the widest texts of both languages. */
const PIN = { width: 196, height: 66 };

/** The nearest stores whose pins don't cover each other as the map is now; the others stay dots. */
function apart(map: MapView, found: Spot[]): Map<string, Spot> {
  const placed: { x: number; y: number }[] = [];
  const kept = new Map<string, Spot>();
  for (const spot of found) {
    if (kept.size === MARKERS_MAX) break;
    const { x, y } = map.project([spot.place.lng, spot.place.lat]);
    if (placed.some((other) => Math.abs(other.x - x) < PIN.width && Math.abs(other.y - y) < PIN.height)) continue;
    placed.push({ x, y });
    kept.set(spot.id, spot);
  }
  return kept;
}

/** Keeps one marker per near store. */
function markers(map: MapView, onOpen: (id: string) => void): () => void {
  const moves = signal(0);
  const moved = () => (moves.value += 1);
  map.on('moveend', moved);
  const shown = new Map<string, { marker: Marker; element: HTMLElement; key: string }>();
  return effect(() => {
    void moves.value;
    const found = spots(visible.value);
    const place = here.value;
    if (place) found.sort((a, b) => distance(place, a.place) - distance(place, b.place));
    const near = apart(map, found);
    for (const [id, one] of shown) {
      if (near.has(id)) continue;
      render(null, one.element);
      one.marker.remove();
      shown.delete(id);
    }
    for (const [id, spot] of near) {
      const [first] = spot.deals;
      if (!first) continue;
      let one = shown.get(id);
      if (!one) {
        const element = document.createElement('div');
        const marker = new Marker({ element, anchor: 'bottom', offset: [0, -6] }).setLngLat([spot.place.lng, spot.place.lat]).addTo(map);
        // The marker is a frame; the button in it is what is named and focused.
        element.removeAttribute('aria-label');
        element.removeAttribute('role');
        element.removeAttribute('tabindex');
        shown.set(id, (one = { marker, element, key: '' }));
      }
      const key = `${first.id}:${spot.deals.length}:${place ? Math.round(distance(place, spot.place) / 10) : ''}`;
      if (one.key === key) continue;
      one.key = key;
      const open = () => {
        if (spot.deals.length > 1) search.value = first.offer.peek().store.name;
        else onOpen(first.id);
      };
      render(<Pin key={key} offer={first.offer} more={spot.deals.length - 1} onOpen={open} />, one.element);
    }
  });
}

function dots(): FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: visible.value.map((deal) => {
      const { id, store, remaining } = deal.offer.peek();
      return {
        type: 'Feature',
        properties: { id, opacity: remaining > 0 ? 1 : 0.35 },
        geometry: { type: 'Point', coordinates: [store.location.lng, store.location.lat] },
      };
    }),
  };
}

/** Cells where something is on, darker where there is more. */
function busy(map: MapView): FeatureCollection {
  const resolution = resolutionAt(map.getZoom());
  if (resolution === null) return nothing();
  const counts = new Map<string, number>();
  for (const deal of deals.value) {
    const { lat, lng } = deal.offer.peek().store.location;
    const cell = latLngToCell(lat, lng, resolution);
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  return {
    type: 'FeatureCollection',
    features: [...counts].map(([cell, count]) => ({
      type: 'Feature',
      properties: { weight: Math.min(0.5, 0.12 + 0.06 * count) },
      geometry: cellPolygon(cell),
    })),
  };
}

/** The shopper's own marker: dragging it is walking. */
function walker(map: MapView): () => void {
  const element = document.createElement('div');
  element.className = 'me';
  element.dataset.testid = 'me';
  let marker: Marker | null = null;
  let last = 0;
  const walk = (done: boolean) => {
    if (!marker || (!done && Date.now() - last < WALK_MS)) return;
    last = Date.now();
    stopFollowing();
    const { lat, lng } = marker.getLngLat().wrap();
    setHere({ lat, lng, source: 'walked' });
  };
  let dragging = false;
  const stop = effect(() => {
    const place = here.value;
    const reach = radius.value;
    element.title = t('map.me');
    element.setAttribute('aria-label', t('map.me'));
    if (!place) return;
    map.getSource<GeoJSONSource>('rings')?.setData(rings(place, [reach, reach / 2]));
    if (dragging) return;
    if (marker) marker.setLngLat([place.lng, place.lat]);
    else {
      marker = new Marker({ element, draggable: true }).setLngLat([place.lng, place.lat]).addTo(map);
      marker.on('dragstart', () => (dragging = true));
      marker.on('drag', () => walk(false));
      marker.on('dragend', () => {
        walk(true);
        dragging = false;
      });
      // By keyboard: the arrows walk a hundredth of what one looks at.
      element.setAttribute('role', 'button');
      element.tabIndex = 0;
      element.addEventListener('keydown', (event) => {
        const steps: Record<string, [number, number]> = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
        const step = steps[event.key];
        if (!step || !marker) return;
        event.preventDefault();
        event.stopPropagation();
        const at = map.project(marker.getLngLat());
        marker.setLngLat(map.unproject([at.x + step[0] * 12, at.y + step[1] * 12]));
        walk(true);
      });
    }
  });
  return () => {
    stop();
    marker?.remove();
  };
}

/** Looks at the shopper when they choose a place or a radius; walking leaves the map where it is. */
function camera(map: MapView): () => void {
  let seen = '';
  return effect(() => {
    const place = here.value;
    if (!place) return;
    const key = `${radius.value}:${place.source}:${place.source === 'chosen' ? `${place.lat},${place.lng}` : ''}`;
    if (key === seen || (place.source === 'walked' && seen !== '' && seen.startsWith(`${radius.value}:`))) return;
    const first = seen === '';
    seen = key;
    look(map, place, first ? 0 : 700);
  });
}

function look(map: MapView, place: Place, duration: number): void {
  const { clientWidth, clientHeight } = map.getContainer();
  const zoom = zoomFor(radius.value * 2.15, place.lat, Math.min(clientWidth, clientHeight));
  map.easeTo({ center: [place.lng, place.lat], zoom, duration });
}

export function DealMap({ onOpen }: { onOpen: (id: string) => void }) {
  const container = useRef<HTMLDivElement>(null);
  const view = useSignal<MapView | null>(null);
  const failed = useSignal(!hasWebGl());
  const drawn = useSignal(false);
  useEffect(() => {
    const element = container.current;
    if (!element || failed.value) return;
    let stopped = false;
    const stops: (() => void)[] = [];
    const place = here.value;
    createMap(element, place ?? OVERVIEW, place ? 12 : 2).then(
      (map) => {
        if (stopped) return map.remove();
        view.value = map;
        map.addControl(new NavigationControl({ showCompass: false }), 'top-right');
        stops.push(camera(map), walker(map), markers(map, onOpen));
        const redraw = () => map.getSource<GeoJSONSource>('cells')?.setData(busy(map));
        map.on('moveend', redraw);
        stops.push(
          effect(() => {
            map.getSource<GeoJSONSource>('dots')?.setData(dots());
            redraw();
          }),
        );
        map.on('idle', () => (drawn.value = true));
        map.on('click', 'dots', (event) => {
          const id = event.features?.[0]?.properties.id;
          if (typeof id === 'string') onOpen(id);
        });
        // Whoever has not said where they are may point at it.
        map.on('click', (event) => {
          if (here.value) return;
          const { lat, lng } = event.lngLat.wrap();
          setHere({ lat, lng, source: 'walked' });
        });
        stops.push(() => map.remove());
      },
      () => (failed.value = true),
    );
    return () => {
      stopped = true;
      stops.forEach((stop) => stop());
    };
  }, []);
  return (
    <>
      <div ref={container} class="map" data-testid="map" data-ready={view.value !== null} data-drawn={drawn.value} />
      {failed.value && <p class="map-note">{t('map.unavailable')}</p>}
      {view.value && here.value && (
        <>
          <p class="map-note hint">
            <Icon name="locate" size={15} /> {t('map.hint')} · {plural('deals.count', deals.value.length)}
          </p>
          <button class="button icon locate" type="button" aria-label={t('map.locate')} onClick={() => view.value && here.value && look(view.value, here.value, 500)}>
            <Icon name="locate" />
          </button>
        </>
      )}
    </>
  );
}
