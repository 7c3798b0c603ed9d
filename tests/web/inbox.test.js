// Being told: a followed store starts a sale, the shopper hears of it while the app is open and finds it in the inbox; what
// they do not want does not come; and the merchant sees how many were told.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, browser, isLive, person, Server, shows, signIn, until } from './support.js';

let server;
let chrome;
before(async () => {
  server = await Server.start();
  chrome = await browser({ webgl: false });
});
after(async () => {
  await chrome?.close();
  await server?.stop();
});

test('a follower is told at once, finds it in the inbox, and reads it', async () => {
  // One that starts later is nobody's news yet.
  const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
  const { merchant, store, product, promotion } = await server.deal('Kettle', { starts_at: at(60), ends_at: at(120) });
  const shopper = await server.register('shopper', 'Rosa');
  const { page, errors } = await person(chrome, server);
  await signIn(page, shopper);
  await page.goto(`/deals/${promotion.id}`);
  await page.getByRole('button', { name: 'Follow store' }).click();
  await page.getByRole('button', { name: 'Following' }).waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await isLive(page);

  for (const minutes of [30, 40]) await server.promotion(merchant, store, product, { ends_at: at(minutes) });
  // In passing, and as a number at the tab.
  await shows(page.locator('.toasts'), 'Kettle: on now');
  await shows(page.getByRole('link', { name: /Inbox/ }), '2 unread messages');
  await page.getByRole('link', { name: /Inbox/ }).click();
  const messages = page.getByTestId('notification');
  await until('both are there', async () => (await messages.count()) === 2);
  await shows(messages.first(), 'Store of Kettle');
  await accessible(page, 'an inbox with messages');
  await messages.first().getByRole('link').click();
  await page.getByRole('dialog').waitFor();
  await shows(page.getByRole('link', { name: /Inbox/ }), '1 unread message');
  await page.goto('/inbox');
  await page.locator('[data-testid=notification][data-unread=false]').waitFor();
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await until('nothing is unread', async () => (await page.locator('[data-unread=true]').count()) === 0);
  await until('the tab says so', async () => !((await page.getByRole('link', { name: /Inbox/ }).textContent()) ?? '').includes('unread'));

  // Not followed any more, not told any more.
  await page.goto('/claims');
  await page.getByTestId('followed').getByRole('button', { name: /Unfollow/ }).click();
  await page.getByTestId('followed').waitFor({ state: 'detached' });
  assert.deepEqual((await server.call('GET', '/stores?followed=true', { token: shopper.token })).items, []);
  assert.deepEqual(errors, []);
});

test('preferences are kept, and what is not wanted does not come', async () => {
  const merchant = await server.register('merchant', 'Merchant of Radio');
  const store = await server.store(merchant, 'Store of Radio');
  const product = await server.product(merchant, store, 'Radio');
  const [eager, calm] = [await server.register('shopper', 'Eager'), await server.register('shopper', 'Calm')];
  for (const { token } of [eager, calm]) await server.call('PUT', `/stores/${store.id}/follow`, { token });
  const { page, errors } = await person(chrome, server);
  await signIn(page, calm);
  await page.goto('/account');
  const saved = page.waitForResponse((response) => response.url().endsWith('/me') && response.request().method() === 'PATCH');
  await page.getByRole('switch', { name: 'When a sale starts' }).uncheck();
  assert.ok((await saved).ok());
  await page.reload();
  await until('it is remembered', async () => !(await page.getByRole('switch', { name: 'When a sale starts' }).isChecked()));

  await server.promotion(merchant, store, product);
  const inbox = async ({ token }) => (await server.call('GET', '/notifications', { token })).items;
  await until('the other one is told', async () => (await inbox(eager)).length === 1);
  assert.deepEqual(await inbox(calm), []);

  const owner = await person(chrome, server);
  await signIn(owner.page, merchant);
  await owner.page.goto(`/merchant/stores/${store.id}/notifications`);
  await shows(owner.page.getByTestId('people-notified'), /^[1-9]/);
  await shows(owner.page.getByTestId('notification-stats'), 'A sale started');
  // A month of days, the last of which is today's.
  assert.equal(await owner.page.locator('.days i').count(), 30);
  assert.equal(await owner.page.locator('.days i').last().getAttribute('data-none'), 'false');
  await owner.page.getByRole('button', { name: 'Español' }).click();
  await shows(owner.page.getByTestId('notification-stats'), 'Empezó una oferta');
  await accessible(owner.page, 'notification statistics');
  assert.deepEqual([...errors, ...owner.errors], []);
});

test('a device is registered for pushes, remembered, and removed', async () => {
  const shopper = await server.register('shopper', 'Device Owner');
  const { page, errors } = await person(chrome, server);
  await signIn(page, shopper);
  await page.goto('/account');
  const devices = page.getByTestId('devices');
  await devices.getByLabel('Service').selectOption('apns');
  await devices.getByLabel('Token').fill('0123456789abcdef-secret-ending42');
  await devices.getByRole('button', { name: 'Register device' }).click();
  const device = devices.getByTestId('device');
  await shows(device, 'ends in ding42');
  await page.reload();
  await shows(device, 'iPhone (APNs)');
  await accessible(page, 'an account with a device');
  const kept = await page.evaluate(() => JSON.stringify(localStorage));
  assert.ok(!kept.includes('0123456789abcdef'), 'the token is not kept in the browser');

  const gone = page.waitForResponse((response) => response.url().includes('/devices/') && response.request().method() === 'DELETE');
  await device.getByRole('button', { name: /^Remove/ }).click();
  assert.equal((await gone).status(), 204);
  await device.waitFor({ state: 'detached' });
  assert.deepEqual(errors, []);
});
