// Devices that were registered for pushes from this browser. The server never gives a token back and lists no devices, so
// what this browser registered is remembered here, by person, without the token.
import { call, create } from './api';

export const PLATFORMS = ['fcm', 'apns', 'apns_sandbox'] as const;
export type Platform = (typeof PLATFORMS)[number];

export interface Device {
  id: string;
  platform: Platform;
  created_at: string;
  /** The last characters of its token, to tell one from another. */
  ending: string;
}

const KEPT = 'flash.devices';

function all(): Record<string, Device[]> {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Record<string, Device[]>;
  } catch {
    return {};
  }
}

export function devicesOf(person: string): Device[] {
  return all()[person] ?? [];
}

function keep(person: string, devices: Device[]): Device[] {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ ...all(), [person]: devices }));
  } catch {
    // Forgotten with the page; registering the same token again finds the same device.
  }
  return devices;
}

/** Registers a token; one that the person registered before keeps its id. Gives all that are known here. */
export async function register(person: string, platform: Platform, token: string): Promise<Device[]> {
  const made = await create<Omit<Device, 'ending'>>('/devices', { platform, token });
  return keep(person, [{ ...made, ending: token.slice(-6) }, ...devicesOf(person).filter((one) => one.id !== made.id)]);
}

/** Removes a device at the server and here; one that the server does not know any more is only forgotten. */
export async function remove(person: string, id: string): Promise<Device[]> {
  await call('DELETE', `/devices/${id}`).catch((error: unknown) => {
    if ((error as { status?: number }).status !== 404) throw error;
  });
  return keep(person, devicesOf(person).filter((one) => one.id !== id));
}
