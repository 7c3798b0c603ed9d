// Things that go wrong while somebody looks: the server dies and comes back, the network goes and comes back. The page says
// so honestly and recovers by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, card, CENTRE, isLive, person, Server, shows, signIn, until } from './support.js';

let server;
let chrome;
before(async () => {
  server = await Server.start();
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await server?.stop();
});

const connection = (page) => page.getByTestId('connection');

test('the server is killed in the middle of a hold and started again', async () => {
  const { merchant, store, product, promotion } = await server.deal('Lamp', { hold_seconds: 600 });
  const doomed = await server.promotion(merchant, store, product, { category: 'doomed' });
  const shopper = await server.register('shopper', 'Kay');
  const { page, errors } = await person(chrome, server);
  await signIn(page, shopper);
  await page.goto(`/deals/${promotion.id}`);
  await page.getByRole('button', { name: 'Claim now' }).click();
  await page.getByTestId('held').waitFor();

  await server.kill();
  await shows(connection(page), 'Reconnecting');
  // What is shown stays, and an attempt says what is the matter.
  await page.getByRole('button', { name: 'Confirm' }).click();
  await shows(page.getByRole('alert'), 'No connection to the server');

  await server.run();
  await server.call('POST', `/promotions/${doomed.id}/cancel`, { token: merchant.token });
  await isLive(page);
  await page.getByTestId('held').waitFor();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByTestId('confirmed').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await shows(card(page, promotion), '9 left');
  await until('what ended meanwhile is gone', async () => (await card(page, doomed).count()) === 0);
  assert.deepEqual(errors, []);
  server.command(['audit']);
});

test('offline and back, with what changed meanwhile', async () => {
  const { promotion } = await server.deal('Kettle');
  const gone = await server.deal('Toaster');
  const { page, context, errors } = await person(chrome, server);
  await page.goto('/');
  await isLive(page);
  await card(page, promotion).waitFor();
  await card(page, gone.promotion).waitFor();

  await context.setOffline(true);
  await shows(connection(page), 'Offline');
  const buyer = await server.register('shopper', 'Lee');
  await server.claim(buyer, promotion);
  await server.call('POST', `/promotions/${gone.promotion.id}/cancel`, { token: gone.merchant.token });
  const fresh = await server.deal('Blender');
  assert.equal(await card(page, fresh.promotion).count(), 0);

  await context.setOffline(false);
  await isLive(page);
  await shows(card(page, promotion), '9 left');
  await card(page, fresh.promotion).waitFor();
  await until('what ended meanwhile is gone', async () => (await card(page, gone.promotion).count()) === 0);
  assert.deepEqual(errors, []);
});

test('a blip that the socket survives does not leave the page offline', async () => {
  const { promotion } = await server.deal('Whistle');
  const { page } = await person(chrome, server);
  await page.goto('/');
  await isLive(page);
  // What a browser says when its network changes, while the connection stays up.
  await page.evaluate(() => dispatchEvent(new Event('offline')));
  await shows(page.getByTestId('connection'), 'Offline');
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await isLive(page);
  await card(page, promotion).waitFor();
});

test('walking on the map brings deals and takes them away', async () => {
  const far = { lat: CENTRE.lat + 0.05, lng: CENTRE.lng };
  const { promotion: here } = await server.deal('Near thing', { reach_m: 2000 });
  const { promotion: there } = await server.deal('Far thing', { reach_m: 2000 }, far);
  const { page, errors } = await person(chrome, server);
  await page.goto('/');
  await page.locator('[data-testid=map][data-ready=true]').waitFor();
  await card(page, here).waitFor();
  assert.equal(await card(page, there).count(), 0);

  // Five kilometres are shown around the dot; the far store is some five and a half to the north, a bit outside the ring.
  const dot = await page.getByTestId('me').boundingBox();
  const map = await page.getByTestId('map').boundingBox();
  const from = { x: dot.x + dot.width / 2, y: dot.y + dot.height / 2 };
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(from.x, from.y - 60, { steps: 5 });
  await page.mouse.move(from.x, map.y + 12, { steps: 10 });
  await page.mouse.up();
  await card(page, there).waitFor();
  await until('the near one is left behind', async () => (await card(page, here).count()) === 0);

  // By keyboard, and by the list of cities.
  await page.getByRole('button', { name: 'Change place' }).click();
  await page.getByLabel('Find a city').fill('medel');
  await page.getByRole('button', { name: /Medellín/ }).first().click();
  await card(page, here).waitFor();
  await until('the far one is out of reach', async () => (await card(page, there).count()) === 0);
  assert.deepEqual(errors, []);
});
