// The shapes of the wire (docs/protocol.md, /openapi.json), as far as the app reads them.

export interface Money {
  /** Integer minor units. */
  amount: number;
  /** ISO 4217. */
  currency: string;
}

export interface Place {
  lat: number;
  lng: number;
}

export type PromotionStatus = 'draft' | 'scheduled' | 'live' | 'paused' | 'ended' | 'cancelled';
export type ClaimStatus = 'held' | 'confirmed' | 'redeemed' | 'expired' | 'cancelled';
export type Role = 'shopper' | 'merchant' | 'admin';
export type StaffRole = 'owner' | 'manager' | 'clerk';

/** A deal as the live socket shows it. */
export interface Offer {
  id: string;
  v: number;
  store: { id: string; name: string; location: Place };
  product: { id: string; name: string; image_url?: string };
  price: Money;
  original_price: Money;
  category?: string;
  segments: string[];
  stock: number;
  remaining: number;
  held: number;
  per_shopper_limit?: number;
  starts_at: string;
  ends_at: string;
  reach_m: number;
  claim_within_m?: number;
  hold_seconds: number;
  status: PromotionStatus;
}

/** A promotion as HTTP shows it. */
export interface Promotion {
  id: string;
  store_id: string;
  store_name: string;
  location: Place;
  product_id: string;
  product_name: string;
  image_url?: string;
  series_id?: string;
  status: PromotionStatus;
  price: Money;
  original_price: Money;
  stock: number;
  remaining: number;
  held: number;
  sold: number;
  per_shopper_limit: number | null;
  starts_at: string;
  ends_at: string;
  reach_m: number;
  claim_within_m: number | null;
  hold_seconds: number;
  segments: string[];
  category: string | null;
  v: number;
  created_at: string;
  distance_m?: number;
}

export interface Claim {
  id: string;
  promotion_id: string;
  store_id: string;
  status: ClaimStatus;
  quantity: number;
  unit_price: Money;
  hold_expires_at?: string;
  redemption_code: string;
  v: number;
  created_at: string;
  confirmed_at?: string;
  closed_at?: string;
}

export interface User {
  id: string;
  email: string;
  display_name: string;
  role: Role;
  language: string;
  phone: string | null;
  notification_preferences: Record<string, unknown>;
  last_location: Place | null;
  segment?: string;
  created_at: string;
}

export interface SignedIn {
  user: User;
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

export interface Store {
  id: string;
  name: string;
  address: string;
  location: Place;
  timezone: string;
  created_at: string;
  your_role?: StaffRole;
}

export interface Product {
  id: string;
  store_id: string;
  name: string;
  description: string;
  price: Money;
  image_url: string | null;
  available: boolean;
  created_at: string;
}

export interface Stats {
  promotion_id: string;
  status: PromotionStatus;
  stock: number;
  remaining: number;
  held: number;
  sold: number;
  claims: number;
  by_status: Record<ClaimStatus, { claims: number; units: number }>;
  conversion: number;
  viewers: number;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** RFC 9457, as the server sends it. */
export interface ProblemBody {
  status: number;
  code: string;
  title: string;
  detail: string;
  errors?: { field: string; code: string; detail: string }[];
  retry_after_ms?: number;
  distance_m?: number;
  claim_within_m?: number;
}

export type NearbyEvent =
  | { type: 'offer'; offer: Offer }
  | { type: 'stock'; id: string; v: number; remaining: number; held: number }
  | { type: 'gone'; id: string; v?: number; reason: 'ended' | 'cancelled' | 'paused' | 'left' };

export interface SalesEvent {
  type: 'sales';
  claims: number;
  per_second: number;
  viewers: number;
  held: number;
  sold: number;
}

/** What one is told about a sale while not looking. */
export interface Notification {
  id: string;
  type: 'sale_started' | 'ending_soon' | 'back_in_stock';
  promotion_id: string;
  store: { id: string; name: string };
  product: { name: string; image_url?: string };
  price: Money;
  original_price: Money;
  ends_at: string;
  created_at: string;
  read_at?: string;
}
