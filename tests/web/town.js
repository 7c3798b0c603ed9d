// A town for pictures and audits: stores around the centre with deals in every state, and people who claim.
import { CENTRE } from './support.js';

const SHOPS = [
  ['TechShop Medellín Centro', 'Wireless headphones', 8_000_000, 4_000_000, 40, 0.0028, -0.0035, {}],
  ['Café Jardín', 'Coffee and croissant', 1_800_000, 900_000, 60, -0.0075, 0.006, { category: 'food' }],
  ['Cine Lido', 'Cinema ticket', 2_400_000, 1_200_000, 24, 0.0125, 0.011, { category: 'leisure' }],
  ['Zapatos El Paso', 'Running shoes', 32_000_000, 19_200_000, 12, -0.014, -0.013, {}],
  ['Librería Central', 'Box of novels', 12_000_000, 7_900_000, 18, 0.0155, -0.016, { per_shopper_limit: 3 }],
  ['Bici Sur', 'City bicycle', 96_000_000, 67_200_000, 5, -0.021, 0.012, { segments: ['frequent'] }],
  ['Panadería Luna', 'Bread for a week', 3_600_000, 2_500_000, 30, 0.006, 0.02, { category: 'food' }],
  ['Floristería Botero', 'Bunch of roses', 5_000_000, 2_500_000, 3, -0.005, -0.021, {}],
];

export async function town(server) {
  const merchant = { ...(await server.register('merchant', 'Marta Restrepo')) };
  const promotions = [];
  for (const [index, [name, product, regular, price, stock, lat, lng, terms]] of SHOPS.entries()) {
    const store = await server.store(merchant, name, { lat: CENTRE.lat + lat, lng: CENTRE.lng + lng });
    const sold = await server.product(merchant, store, product, regular);
    const ends_at = new Date(Date.now() + (9 + index * 11) * 60_000).toISOString();
    const more = { price: { amount: price, currency: 'COP' }, stock, ends_at, claim_within_m: null, ...terms };
    promotions.push(await server.promotion(merchant, store, sold, more));
    if (index === 1) {
      const starts_at = new Date(Date.now() + 45 * 60_000).toISOString();
      await server.promotion(merchant, store, sold, { ...more, starts_at, ends_at: new Date(Date.now() + 7_200_000).toISOString() });
    }
  }
  const shopper = { name: 'Ana Gómez', ...(await server.register('shopper', 'Ana Gómez')) };
  const crowd = await Promise.all(['Luis', 'Sara', 'Juan', 'Eva', 'Iván', 'Noa', 'Teo', 'Mía'].map((name) => server.register('shopper', name)));
  const confirm = async (who, promotion) => {
    const claim = await server.claim(who, promotion);
    await server.call('POST', `/claims/${claim.id}/confirm`, { token: who.token });
  };
  await confirm(shopper, promotions[2]);
  for (const who of crowd.slice(0, 2)) await confirm(who, promotions[7]);
  await server.claim(crowd[2], promotions[7]);
  for (const promotion of [promotions[1], promotions[3]]) for (const who of crowd) await confirm(who, promotion);

  const email = 'admin@example.com';
  const password = 'an admin password';
  server.command(['create-admin', '--email', email, '--name', 'Olga Admin'], `${password}\n`);
  return {
    merchant,
    shopper,
    promotions,
    admin: { email, password },
    /** A few people claim at once, some confirm. */
    async rush(promotion) {
      const people = await Promise.all(Array.from({ length: 6 }, (_, index) => server.register('shopper', `Rush ${index}`)));
      for (const [index, who] of people.entries()) {
        if (index % 3 === 2) await server.claim(who, promotion);
        else await confirm(who, promotion);
      }
    },
  };
}
