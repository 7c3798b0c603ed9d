// A MapLibre map with the operator's style, or an own one that needs no network: land from Natural Earth, and the H3 grid.
import { effect, signal } from '@preact/signals';
import type { FeatureCollection, Polygon } from 'geojson';
import { cellToBoundary, polygonToCells } from 'h3-js';
import { AttributionControl, Map as MapView, setWorkerUrl, type GeoJSONSource, type StyleSpecification } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import 'maplibre-gl/dist/maplibre-gl.css';
import countriesUrl from 'world-atlas/countries-50m.json?url';
import { ring } from '../core/geo';
import { isDark } from '../core/theme';
import type { Place } from '../core/types';

setWorkerUrl(workerUrl);

/** Cells drawn at most; beyond, the grid is left out. */
const CELLS_MAX = 2500;
/** From this zoom on, this H3 resolution. */
const RESOLUTIONS: [number, number][] = [
  [14, 9],
  [12, 8],
  [10.4, 7],
  [8.8, 6],
  [7.2, 5],
  [5.6, 4],
  [4, 3],
];

const COLOURS = {
  light: { sea: '#d9e4e8', land: '#f4f0e6', border: '#cfc6b2', grid: '#d8cfbb', mark: '#cf3507', ring: '#55525c' },
  dark: { sea: '#0c1119', land: '#191c24', border: '#353a47', grid: '#2a2e3a', mark: '#ff7043', ring: '#b6b4be' },
};

export const nothing = (): FeatureCollection => ({ type: 'FeatureCollection', features: [] });

export function hasWebGl(): boolean {
  try {
    return document.createElement('canvas').getContext('webgl2') !== null;
  } catch {
    return false;
  }
}

let world: Promise<FeatureCollection> | null = null;
function countries(): Promise<FeatureCollection> {
  world ??= (async () => {
    const [{ feature }, topology] = await Promise.all([import('topojson-client'), fetch(countriesUrl).then((found) => found.json())]);
    return feature(topology, topology.objects.countries) as unknown as FeatureCollection;
  })();
  return world;
}

async function chosenStyle(): Promise<string | StyleSpecification> {
  const settings = await fetch('/config.json').then((found) => found.json(), () => ({}));
  if (typeof settings.map_style_url === 'string') return settings.map_style_url;
  return {
    version: 8,
    sources: {},
    layers: [{ id: 'sea', type: 'background', paint: { 'background-color': COLOURS[isDark.peek() ? 'dark' : 'light'].land } }],
  };
}

/** Makes a map; it is ready for sources and layers when the promise resolves. */
export async function createMap(container: HTMLElement, centre: Place, zoom: number): Promise<MapView> {
  const style = await chosenStyle();
  const map = new MapView({
    container,
    style,
    center: [centre.lng, centre.lat],
    zoom,
    minZoom: 1.5,
    maxZoom: 18,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    fadeDuration: 0,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new AttributionControl({ compact: true, customAttribution: typeof style === 'string' ? [] : ['Natural Earth'] }), 'bottom-left');
  await new Promise<void>((resolve) => map.once('load', () => resolve()));
  const own = typeof style !== 'string';
  // Until the land is drawn everything has its colour: a city that stands in the sea at first looks broken.
  const landed = signal(false);
  for (const source of ['world', 'grid', 'cells', 'rings', 'dots']) map.addSource(source, { type: 'geojson', data: nothing() });
  if (own) {
    map.addLayer({ id: 'land', type: 'fill', source: 'world' });
    map.addLayer({ id: 'border', type: 'line', source: 'world', paint: { 'line-width': 1 } });
    void countries().then((data) => {
      map.getSource<GeoJSONSource>('world')?.setData(data);
      const seen = (event: { sourceId?: string; isSourceLoaded?: boolean }) => {
        if (event.sourceId !== 'world' || !event.isSourceLoaded) return;
        map.off('sourcedata', seen);
        landed.value = true;
      };
      map.on('sourcedata', seen);
    }, () => undefined);
  }
  map.addLayer({ id: 'cells', type: 'fill', source: 'cells', paint: { 'fill-opacity': ['coalesce', ['get', 'weight'], 0.18] } });
  map.addLayer({ id: 'grid', type: 'line', source: 'grid', paint: { 'line-width': 0.8 } });
  map.addLayer({ id: 'rings', type: 'line', source: 'rings', paint: { 'line-width': 1.6, 'line-dasharray': [3, 3] } });
  map.addLayer({ id: 'dots', type: 'circle', source: 'dots', paint: { 'circle-radius': 5, 'circle-stroke-width': 2, 'circle-stroke-color': '#fff', 'circle-opacity': ['get', 'opacity'] } });
  const stop = effect(() => {
    const colours = COLOURS[isDark.value ? 'dark' : 'light'];
    if (own) {
      map.setPaintProperty('sea', 'background-color', landed.value ? colours.sea : colours.land);
      map.setPaintProperty('land', 'fill-color', colours.land);
      map.setPaintProperty('border', 'line-color', colours.border);
    }
    map.setPaintProperty('grid', 'line-color', colours.grid);
    map.setPaintProperty('cells', 'fill-color', colours.mark);
    map.setPaintProperty('rings', 'line-color', colours.ring);
    map.setPaintProperty('dots', 'circle-color', colours.mark);
  });
  map.on('remove', stop);
  const redraw = () => map.getSource<GeoJSONSource>('grid')?.setData(grid(map));
  map.on('moveend', redraw);
  redraw();
  return map;
}

/** A cell as a polygon; one that crosses the date line is kept in one piece. */
export function cellPolygon(cell: string): Polygon {
  const boundary = cellToBoundary(cell, true);
  const first = boundary[0]?.[0] ?? 0;
  return {
    type: 'Polygon',
    coordinates: [boundary.map(([lng, lat]) => [lng - first > 180 ? lng - 360 : lng - first < -180 ? lng + 360 : lng, lat])],
  };
}

/** The H3 resolution that suits a zoom; null where cells would be smaller than a thumb. */
export function resolutionAt(zoom: number): number | null {
  return RESOLUTIONS.find(([from]) => zoom >= from)?.[1] ?? null;
}

function grid(map: MapView): FeatureCollection {
  const resolution = resolutionAt(map.getZoom());
  const bounds = map.getBounds();
  if (resolution === null || bounds.getEast() - bounds.getWest() > 120) return nothing();
  const [w, e, s, n] = [bounds.getWest(), bounds.getEast(), Math.max(-85, bounds.getSouth()), Math.min(85, bounds.getNorth())];
  const [dx, dy] = [(e - w) * 0.1, (n - s) * 0.1];
  const box = [w - dx, e + dx, s - dy, n + dy] as const;
  const cells = polygonToCells([[[box[0], box[2]], [box[1], box[2]], [box[1], box[3]], [box[0], box[3]], [box[0], box[2]]]], resolution, true);
  if (cells.length > CELLS_MAX) return nothing();
  return { type: 'FeatureCollection', features: cells.map((cell) => ({ type: 'Feature', properties: {}, geometry: cellPolygon(cell) })) };
}

/** Rings of so many metres around a place. */
export function rings(centre: Place, metres: number[]): FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: metres.map((radius) => ({
      type: 'Feature',
      properties: {},
      geometry: { type: 'LineString', coordinates: ring(centre, radius) },
    })),
  };
}

/** The zoom at which a radius fills so many pixels. */
export function zoomFor(metres: number, lat: number, pixels: number): number {
  const perPixel = metres / Math.max(40, pixels);
  return Math.min(16, Math.max(2, Math.log2((40_075_016 * Math.cos((lat * Math.PI) / 180)) / (512 * perPixel))));
}
