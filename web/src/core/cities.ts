// Large cities of the world (GeoNames, CC BY 4.0; src/demo/SOURCES.md), to pick a place from without asking anybody.
import table from '../../../src/demo/cities.csv?raw';

/** The fields of a line; names with a comma are quoted. */
function fields(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|([^,]+)/g)].map((match) => match[1] ?? match[2] ?? '');
}

export const CITIES = [
  { name: 'Medellín', country: 'Colombia', lat: 6.2442, lng: -75.5812 },
  { name: 'Cali', country: 'Colombia', lat: 3.4516, lng: -76.532 },
  ...table
    .split('\n')
    .slice(1)
    .map(fields)
    .filter((line) => line.length >= 4)
    .map(([name = '', country = '', lat, lng]) => ({ name, country, lat: Number(lat), lng: Number(lng) })),
];
