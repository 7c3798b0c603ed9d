// The console's settings: a store is edited and closed, a daily series edited and stopped, and refusals are said in words.
// And what an admin sees of each worker thread and of the stores.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, browser, CENTRE, person, Server, shows, signIn, until } from './support.js';

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

test('a store is edited, is not closed while something is on, and is closed then', async () => {
  const { merchant, store, promotion } = await server.deal('Lamp');
  const { page, errors } = await person(chrome, server);
  await signIn(page, merchant);
  await page.goto(`/merchant/stores/${store.id}/settings`);
  await page.getByLabel('Name', { exact: true }).fill('Lamps and More');
  await page.getByLabel('Latitude').fill(String(CENTRE.lat + 0.01));
  await page.getByLabel('Time zone').fill('Mars/Olympus');
  await page.getByRole('button', { name: 'Save' }).click();
  // What is wrong is said at its field.
  await shows(page.locator('.field', { hasText: 'Time zone' }), 'IANA');
  await page.getByLabel('Time zone').fill('Europe/Madrid');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { level: 1, name: 'Lamps and More' }).waitFor();
  const edited = await server.call('GET', `/stores/${store.id}`);
  assert.deepEqual([edited.timezone, edited.location.lat], ['Europe/Madrid', CENTRE.lat + 0.01]);

  const close = page.getByRole('button', { name: 'Close the store' });
  await close.first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Close the store' }).click();
  await page.getByRole('dialog').getByRole('alert').waitFor();
  await accessible(page, 'a store that is not closed');
  await server.call('POST', `/promotions/${promotion.id}/cancel`, { token: merchant.token });
  await page.getByRole('dialog').getByRole('button', { name: 'Close the store' }).click();
  await page.getByRole('heading', { name: 'Open your first store' }).waitFor();
  assert.deepEqual((await server.call('GET', '/stores', { token: merchant.token })).items, []);
  assert.deepEqual(errors, []);
});

test('a clerk is not offered what is not theirs', async () => {
  const { merchant, store, promotion } = await server.deal('Clock');
  const clerk = await server.register('merchant', 'Clara');
  await server.call('PUT', `/stores/${store.id}/staff/${clerk.id}`, { token: merchant.token, body: { role: 'clerk' } });
  const { page } = await person(chrome, server);
  await signIn(page, clerk);
  await page.goto(`/merchant/stores/${store.id}`);
  await page.getByRole('link', { name: 'Redeem' }).waitFor();
  for (const name of ['Staff', 'Webhooks', 'Store', 'Launch a flash sale']) assert.equal(await page.getByRole('link', { name, exact: true }).count(), 0, name);
  await page.getByRole('link', { name: 'Products' }).click();
  await shows(page.getByRole('list'), 'Clock');
  for (const name of ['New product', /Clock/]) assert.equal(await page.getByRole('button', { name }).count(), 0, String(name));
  await page.goto(`/merchant/promotions/${promotion.id}`);
  await page.getByRole('button', { name: 'Claims as CSV' }).waitFor();
  // The roles are known once the stores have come.
  await page.waitForLoadState('networkidle');
  assert.equal(await page.getByRole('button', { name: 'Pause' }).count(), 0);
  const owner = await person(chrome, server);
  await signIn(owner.page, merchant);
  await owner.page.goto(`/merchant/promotions/${promotion.id}`);
  await owner.page.getByRole('button', { name: 'Pause' }).waitFor();
});

test('a product is edited, and removed after a second thought', async () => {
  const { merchant, store } = await server.deal('Mirror');
  const { page, errors } = await person(chrome, server);
  await signIn(page, merchant);
  await page.goto(`/merchant/stores/${store.id}/products`);
  await page.getByRole('button', { name: /Mirror/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Regular price').fill('75000');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await shows(page.getByRole('button', { name: /Mirror/ }), '75,000');
  await page.getByRole('button', { name: /Mirror/ }).click();
  await dialog.getByRole('button', { name: 'Remove the product' }).click();
  await accessible(page, 'about to remove a product');
  await dialog.getByRole('button', { name: 'Yes, remove it' }).click();
  await page.getByRole('heading', { name: 'Nothing to sell yet' }).waitFor();
  assert.deepEqual((await server.call('GET', `/stores/${store.id}/products`, { token: merchant.token })).items, []);
  assert.deepEqual(errors, []);
});

test('a shopper at the console is told what the matter is, and what helps', async () => {
  const { merchant, store } = await server.deal('Bell');
  const shopper = await server.register('shopper', 'Sol');
  const { page, errors } = await person(chrome, server);
  await signIn(page, shopper);
  await page.goto('/merchant');
  await shows(page.getByTestId('shoppers-only'), shopper.email);
  assert.equal(await page.getByRole('button', { name: 'New store' }).count(), 0);
  await accessible(page, 'the console for a shopper');
  // Who works at a store finds it there, whatever the account was opened for.
  await server.call('PUT', `/stores/${store.id}/staff/${shopper.id}`, { token: merchant.token, body: { role: 'clerk' } });
  await page.reload();
  await page.getByRole('link', { name: /Store of Bell/ }).waitFor();
  await page.getByRole('link', { name: 'Console' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'New store' }).count(), 0);
  await server.call('DELETE', `/stores/${store.id}/staff/${shopper.id}`, { token: merchant.token });
  await page.reload();
  await page.getByRole('button', { name: /open a merchant account/ }).click();
  // The way to a merchant account is one press long.
  await page.getByLabel('Name', { exact: true }).fill('Sol Sells');
  await page.getByLabel('E-mail').fill('sol.sells@example.com');
  await page.getByLabel('Password').fill('a good password');
  await page.locator('form button[type=submit]').click();
  await page.getByRole('button', { name: 'New store' }).waitFor();
  assert.deepEqual(errors, []);
});

test('a price that is no discount is warned of, not refused', async () => {
  const { merchant, store } = await server.deal('Vase');
  const { page, errors } = await person(chrome, server);
  await signIn(page, merchant);
  await page.goto(`/merchant/stores/${store.id}/launch`);
  const warning = page.getByTestId('no-discount');
  await page.getByLabel(/Flash price/).fill('79999');
  await until('a cheaper price is nothing to warn of', async () => (await warning.textContent()) === '');
  await page.getByLabel(/Flash price/).fill('80000');
  await shows(warning, 'That is the regular price');
  await page.getByLabel(/Flash price/).fill('90000');
  await shows(warning, /more than the regular price \(.*80,000\)/);
  await accessible(page, 'a dear sale');
  await page.getByRole('button', { name: 'Launch', exact: true }).click();
  await page.getByTestId('board').waitFor();
  assert.deepEqual(errors, []);
});

test('the board lists the latest claims first, as they come and change', async () => {
  const { merchant, promotion } = await server.deal('Candle', { stock: 40 });
  const people = [];
  for (let index = 0; index < 14; index += 1) {
    const shopper = await server.register('shopper', `Guest ${index}`);
    people.push({ shopper, claim: await server.claim(shopper, promotion) });
  }
  const { page, errors } = await person(chrome, server);
  await signIn(page, merchant);
  await page.goto(`/merchant/promotions/${promotion.id}`);
  const rows = page.getByTestId('claims').locator('tbody tr');
  const names = () => rows.locator('td:first-child').allTextContents();
  await until('the latest twelve are listed, newest first', async () => {
    const expected = Array.from({ length: 12 }, (_, index) => `Guest ${13 - index}`);
    return JSON.stringify(await names()) === JSON.stringify(expected);
  });
  // Nobody reloads: what comes is on top, what changes is changed in its place.
  const late = await server.register('shopper', 'Latecomer');
  await server.claim(late, promotion);
  await shows(rows.first(), 'Latecomer');
  assert.equal(await rows.first().getAttribute('data-new'), 'true');
  assert.equal(await rows.nth(1).getAttribute('data-new'), 'false');
  const { shopper, claim } = people[13];
  await server.call('POST', `/claims/${claim.id}/confirm`, { token: shopper.token });
  await shows(rows.filter({ hasText: 'Guest 13' }), 'Confirmed');
  await page.getByTestId('claims').getByRole('button', { name: 'Show more' }).click();
  await until('all are listed', async () => (await names()).join() === ['Latecomer', ...people.map((_, index) => `Guest ${13 - index}`)].join());
  await accessible(page, 'a board with claims');
  assert.deepEqual(errors, []);
});

test('a daily series is edited, its waiting day follows, and it is stopped', async () => {
  const { merchant, store, product } = await server.deal('Bread');
  // Six hours from now, at a store in UTC: the first day waits.
  const hour = (from) => `${String((new Date().getUTCHours() + from) % 24).padStart(2, '0')}:00`;
  const daily = { from: hour(6), to: hour(8), timezone: 'UTC', start_date: new Date().toISOString().slice(0, 10) };
  const day = await server.promotion(merchant, store, product, { ends_at: undefined, daily });
  const { page, errors } = await person(chrome, server);
  await signIn(page, merchant);
  await page.goto(`/merchant/promotions/${day.id}`);
  await page.getByRole('link', { name: 'Daily series' }).click();
  await shows(page.getByTestId('series-status'), 'Running');
  await shows(page.getByTestId('series'), `from ${daily.from} to ${daily.to}`);
  // Its own days only, not the store's other sale.
  await until('one day is listed', async () => (await page.getByTestId('sale').count()) === 1);
  await accessible(page, 'a series');
  await page.getByLabel(/Flash price/).fill('25000');
  await page.getByLabel('Units', { exact: true }).fill('7');
  await page.getByLabel('To', { exact: true }).fill(hour(9));
  await page.getByRole('button', { name: 'Save' }).click();
  await shows(page.getByTestId('series'), `to ${hour(9)}`);
  await shows(page.getByTestId('sale'), '7 of 7 left');
  const moved = await server.call('GET', `/promotions/${day.id}`);
  assert.deepEqual([moved.stock, moved.price.amount], [7, 2_500_000]);
  assert.equal(Date.parse(moved.ends_at) - Date.parse(moved.starts_at), 3 * 3_600_000);

  // Refused in words, beside the button that was pressed.
  await page.getByLabel('Last day').fill('2020-01-01');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('alert').waitFor();

  await page.getByRole('button', { name: 'End the series' }).click();
  await accessible(page, 'about to end a series');
  await page.getByRole('dialog').getByRole('button', { name: 'End the series' }).click();
  await shows(page.getByTestId('series-status'), 'Ended');
  await until('nothing is to be edited', async () => (await page.getByRole('button', { name: 'Save' }).count()) === 0);
  await shows(page.getByTestId('sale'), 'Called off');
  assert.deepEqual(errors, []);
});

test('a page that can not be loaded says so to everybody', async () => {
  const merchant = await server.register('merchant', 'Nobody');
  const { page } = await person(chrome, server);
  await signIn(page, merchant);
  const nothing = '00000000-0000-7000-8000-000000000000';
  for (const path of [`stores/${nothing}`, `promotions/${nothing}`, `series/${nothing}`]) {
    await page.goto(`/merchant/${path}`);
    await page.getByRole('alert').waitFor();
  }
});

test('an admin sees what each worker does, and the stores', async () => {
  await server.deal('Kite');
  const [email, password] = ['root@example.com', 'an admin password'];
  server.command(['create-admin', '--email', email, '--name', 'Root'], `${password}\n`);
  const { page, errors } = await person(chrome, server);
  await signIn(page, { email, password });
  await page.goto('/operations');
  const workers = page.getByRole('region', { name: 'By worker' });
  await until('both workers are listed, with the sessions that there are', async () => {
    const rows = await workers.locator('tbody tr').allTextContents();
    const sessions = await workers.locator('tbody tr td:nth-child(2)').allTextContents();
    return rows.length === 2 && sessions.reduce((sum, text) => sum + Number(text), 0) >= 1;
  });
  const stores = page.getByRole('region', { name: /^Stores/ });
  await shows(stores.getByRole('row', { name: /Store of Kite/ }), 'Merchant of Kite');
  await accessible(page, 'operations');
  assert.deepEqual(errors, []);
});

test('an admin leafs through everybody, and reads what jobs did in Spanish', async () => {
  const [email, password] = ['root.two@example.com', 'an admin password'];
  server.command(['create-admin', '--email', email, '--name', 'Root Two'], `${password}\n`);
  server.command(['job', 'run', 'cleanup']);
  for (let batch = 0; batch < 11; batch += 1) {
    await Promise.all(Array.from({ length: 5 }, (_, index) => server.register('shopper', `Crowd ${batch * 5 + index}`)));
  }
  const { page, errors } = await person(chrome, server, { locale: 'es-CO' });
  await signIn(page, { email, password });
  await page.goto('/operations');
  await shows(page.getByRole('region', { name: 'Tareas' }), /Se olvidaron: \d+ claves/);
  await shows(page.getByRole('region', { name: 'Tareas' }), 'Limpieza');
  const people = page.getByRole('region', { name: /^Personas/ });
  await shows(people, 'Comprador');
  assert.equal(await people.locator('tbody tr').count(), 50);
  await page.getByRole('button', { name: /^Ver más: Personas/ }).click();
  await until('everybody is listed', async () => (await people.locator('tbody tr').count()) > 55);
  await page.getByRole('button', { name: /^Ver más: Personas/ }).waitFor({ state: 'detached' });
  const names = await people.locator('tbody tr td:first-child').allTextContents();
  assert.ok(names.includes('Crowd 54') && names.includes('Crowd 0'));
  assert.deepEqual(errors, []);
});
