// A map to put one place on, with how far it reaches: the ring, and the cells that the engine will look at.
import { effect, useSignal } from '@preact/signals';
import type { FeatureCollection } from 'geojson';
import { cellToBoundary, cellToLatLng, gridDisk, latLngToCell } from 'h3-js';
import { Marker, NavigationControl, type GeoJSONSource, type Map as MapView } from 'maplibre-gl';
import { useEffect, useRef } from 'preact/hooks';
import { distance } from '../core/geo';
import type { Place } from '../core/types';
import { t } from '../i18n';
import { cellPolygon, createMap, hasWebGl, rings, zoomFor } from './base';
import '../styles/map.css';

/** As the engine chooses: the finest of these that needs at most CELLS_MAX cells. */
const RESOLUTIONS = [8, 6, 4];
const CELLS_MAX = 64;

/** Cells that a reach touches: those with a corner, a middle of an edge or their centre within it, and the one it is in. */
export function cover(place: Place, reach: number): string[] {
  for (const resolution of RESOLUTIONS) {
    const home = latLngToCell(place.lat, place.lng, resolution);
    const cells = new Set([home]);
    for (let step = 1; step <= 6 && cells.size <= CELLS_MAX; step += 1) {
      const before = cells.size;
      for (const cell of gridDisk(home, step)) if (touches(cell, place, reach)) cells.add(cell);
      if (cells.size === before) break;
    }
    if (cells.size <= CELLS_MAX) return [...cells];
  }
  return [];
}

function touches(cell: string, place: Place, reach: number): boolean {
  const within = ([lat, lng]: [number, number]) => distance({ lat, lng }, place) <= reach;
  const corners = cellToBoundary(cell) as [number, number][];
  const middles = corners.map(([lat, lng], index): [number, number] => {
    const [nextLat, nextLng] = corners[(index + 1) % corners.length] ?? [lat, lng];
    return Math.abs(lng - nextLng) > 180 ? [lat, lng] : [(lat + nextLat) / 2, (lng + nextLng) / 2];
  });
  return [cellToLatLng(cell) as [number, number], ...corners, ...middles].some(within);
}

function shade(cells: string[]): FeatureCollection {
  return { type: 'FeatureCollection', features: cells.map((cell) => ({ type: 'Feature', properties: {}, geometry: cellPolygon(cell) })) };
}

export function PickMap(props: { place: Place; reach?: number; fixed?: boolean; label: string; onPick?: (place: Place) => void; onCover?: (cells: number) => void }) {
  const container = useRef<HTMLDivElement>(null);
  const view = useSignal<MapView | null>(null);
  const failed = useSignal(!hasWebGl());
  const now = useSignal(props);
  now.value = props;
  useEffect(() => {
    const element = container.current;
    if (!element || failed.value) return;
    let stopped = false;
    let stop = () => undefined as void;
    const { place, reach } = props;
    createMap(element, place, reach ? zoomFor(reach * 2.3, place.lat, element.clientHeight) : 12).then(
      (map) => {
        if (stopped) return map.remove();
        view.value = map;
        map.addControl(new NavigationControl({ showCompass: false }), 'top-right');
        const pin = document.createElement('div');
        pin.className = 'store-pin';
        const marker = new Marker({ element: pin, draggable: !props.fixed, anchor: 'center' }).setLngLat([place.lng, place.lat]).addTo(map);
        const pick = (at: { lat: number; lng: number }) => now.peek().onPick?.({ lat: Number(at.lat.toFixed(6)), lng: Number(at.lng.toFixed(6)) });
        marker.on('dragend', () => pick(marker.getLngLat().wrap()));
        if (!props.fixed) map.on('click', (event) => pick(event.lngLat.wrap()));
        const stopDrawing = effect(() => {
          const { place: at, reach: metres } = now.value;
          if (!Number.isFinite(at.lat) || !Number.isFinite(at.lng)) return;
          marker.setLngLat([at.lng, at.lat]);
          if (!metres) return;
          const cells = cover(at, metres);
          map.getSource<GeoJSONSource>('cells')?.setData(shade(cells));
          map.getSource<GeoJSONSource>('rings')?.setData(rings(at, [metres]));
          map.easeTo({ center: [at.lng, at.lat], zoom: zoomFor(metres * 2.3, at.lat, element.clientHeight), duration: 250 });
        });
        stop = () => {
          stopDrawing();
          map.remove();
        };
      },
      () => (failed.value = true),
    );
    return () => {
      stopped = true;
      stop();
    };
  }, []);
  const { place: at, reach: wide } = props;
  useEffect(() => {
    if (wide) props.onCover?.(cover(at, wide).length);
  }, [at.lat, at.lng, wide]);
  return (
    <figure class="pick-map" aria-label={props.label}>
      <div ref={container} class="map" data-testid="pick-map" data-ready={view.value !== null} />
      {failed.value && <figcaption class="map-note">{t('map.unavailable')}</figcaption>}
    </figure>
  );
}
