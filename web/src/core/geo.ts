// Distances as the server decides them: great circles on a sphere of the mean radius.
import type { Place } from './types';

const EARTH_RADIUS_M = 6_371_008.8;
const RADIANS = Math.PI / 180;

/** Metres between two places. */
export function distance(a: Place, b: Place): number {
  const lat = Math.sin(((b.lat - a.lat) * RADIANS) / 2);
  const lng = Math.sin(((b.lng - a.lng) * RADIANS) / 2);
  const chord = lat * lat + Math.cos(a.lat * RADIANS) * Math.cos(b.lat * RADIANS) * lng * lng;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** The place that lies so many metres in a direction (degrees from north). */
export function away(from: Place, metres: number, bearing: number): Place {
  const angle = metres / EARTH_RADIUS_M;
  const lat = from.lat * RADIANS;
  const turn = bearing * RADIANS;
  const there = Math.asin(Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(turn));
  const east = Math.atan2(Math.sin(turn) * Math.sin(angle) * Math.cos(lat), Math.cos(angle) - Math.sin(lat) * Math.sin(there));
  return { lat: there / RADIANS, lng: ((from.lng + east / RADIANS + 540) % 360) - 180 };
}

/** A circle as a closed ring of [lng, lat]. */
export function ring(centre: Place, metres: number, points = 72): [number, number][] {
  return Array.from({ length: points + 1 }, (_, index) => {
    const { lat, lng } = away(centre, metres, (index % points) * (360 / points));
    // Unwrapped, so that a ring across the date line stays in one piece.
    return [lng - centre.lng > 180 ? lng - 360 : lng - centre.lng < -180 ? lng + 360 : lng, lat];
  });
}
