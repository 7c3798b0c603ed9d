// Sets a scene over HTTP: a merchant with a store and a product, and promotions of it. Places are given
// in metres from the store. Knows nothing of the live protocol.

import { randomUUID } from 'node:crypto';

export const STORE = { lat: 6.2442, lng: -75.5812 };
const METRES_PER_DEGREE = (6_371_008.8 * Math.PI) / 180;

/** The point so many metres north of the store (along the meridian, exactly). */
export const north = (metres, from = STORE) => ({
  lat: from.lat + metres / METRES_PER_DEGREE,
  lng: from.lng,
});

export const cop = (amount) => ({ amount, currency: 'COP' });

export const newKey = () => randomUUID();

/** A merchant's store and product on one server. */
export class Scene {
  static async set(server, location = STORE) {
    const scene = new Scene();
    scene.server = server;
    const merchant = await server.register('merchant');
    scene.merchant = merchant;
    scene.token = merchant.access_token;
    scene.store = (
      await server.post('/api/v1/stores', scene.token, {
        name: 'TechShop Medellín Centro',
        address: 'Carrera 43 # 50-12',
        location,
        timezone: 'America/Bogota',
      })
    ).expect(201);
    scene.product = (
      await server.post(`/api/v1/stores/${scene.store.id}/products`, scene.token, {
        name: 'Audífonos',
        description: 'Inalámbricos',
        price: cop(99_900),
      })
    ).expect(201);
    return scene;
  }

  /** Launches a promotion: live at once for an hour, 10 units, unless told otherwise. */
  async launch(terms = {}) {
    const answer = await this.server.post(`/api/v1/stores/${this.store.id}/promotions`, this.token, {
      product_id: this.product.id,
      price: cop(49_900),
      stock: 10,
      ends_at: new Date(Date.now() + 3_600_000).toISOString(),
      ...terms,
    });
    return answer.expect(201);
  }

  /** Cancels, pauses, resumes or publishes a promotion. */
  async act(promotion, action) {
    return (await this.server.post(`/api/v1/promotions/${promotion.id}/${action}`, this.token)).expect(200);
  }

  /** Ends every sale that is still on, so that the next test starts with none. */
  async clear() {
    for (const status of ['live', 'scheduled', 'paused']) {
      const path = `/api/v1/promotions?store_id=${this.store.id}&status=${status}&limit=100`;
      const { items } = (await this.server.get(path, this.token)).expect(200);
      for (const promotion of items) await this.act(promotion, 'cancel');
    }
  }

  /** Claims over HTTP, at the store's door. */
  claim(promotion, token, { quantity, key = newKey(), location = STORE } = {}) {
    return this.server.post(`/api/v1/promotions/${promotion.id}/claims`, token, { quantity, location }, key);
  }
}
