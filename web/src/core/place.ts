// Where the shopper is, and how far they want to see: chosen, walked to, or from the device.
import { signal } from '@preact/signals';
import type { Place } from './types';

const KEPT = 'flash.place';
export const RADIUS_CHOICES_M = [1000, 2000, 5000, 10_000, 25_000];

export interface Here extends Place {
  source: 'device' | 'chosen' | 'walked';
  /** Name of a chosen place. */
  label?: string;
}

interface Kept {
  here: Here | null;
  radius_m: number;
}

function restore(): Kept {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? '') as Kept;
    if (Number.isFinite(kept.radius_m)) return kept;
  } catch {
    // Nothing kept, or not ours.
  }
  return { here: null, radius_m: 5000 };
}

const kept = restore();
/** Where the shopper is; null until they say. */
export const here = signal<Here | null>(kept.here);
/** How far they want to see, metres. */
export const radius = signal(kept.radius_m);

function keep(): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ here: here.value, radius_m: radius.value }));
  } catch {
    // It is asked for again next time.
  }
}

export function setHere(next: Here): void {
  here.value = next;
  keep();
}

export function setRadius(metres: number): void {
  radius.value = metres;
  keep();
}

let watching: number | null = null;

/** Follows the device's position from now on; rejects where that is refused or not there. */
export function followDevice(): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!navigator.geolocation) return reject(new Error('unavailable'));
    stopFollowing();
    watching = navigator.geolocation.watchPosition(
      ({ coords }) => {
        setHere({ lat: coords.latitude, lng: coords.longitude, source: 'device' });
        resolve();
      },
      (error) => {
        if (here.value?.source !== 'device') stopFollowing();
        reject(error);
      },
      { enableHighAccuracy: true, maximumAge: 10_000, timeout: 15_000 },
    );
  });
}

/** The shopper chose a place: the device no longer decides. */
export function stopFollowing(): void {
  if (watching !== null) navigator.geolocation.clearWatch(watching);
  watching = null;
}

/** At start: follows the device where it was followed before, without asking again. */
export async function resume(): Promise<void> {
  if (here.value && here.value.source !== 'device') return;
  try {
    const permission = await navigator.permissions.query({ name: 'geolocation' });
    if (permission.state === 'granted') await followDevice();
  } catch {
    // The shopper chooses.
  }
}
