// A store's webhooks in the console, against a receiver of the test's own: added, its deliveries read, one sent again, its
// secret changed, removed.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { accessible, browser, person, Server, shows, signIn, until } from './support.js';

let server;
let chrome;
let receiver;
/** Bodies that the receiver got. */
const got = [];
before(async () => {
  server = await Server.start({ FLASH_WEBHOOKS_ALLOW_PRIVATE: 'true' });
  chrome = await browser({ webgl: false });
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      got.push({ id: request.headers['webhook-id'], event: JSON.parse(body) });
      response.writeHead(204).end();
    });
  });
  await new Promise((listening) => receiver.listen(0, '127.0.0.1', listening));
});
after(async () => {
  await chrome?.close();
  await server?.stop();
  receiver?.closeAllConnections();
  receiver?.close();
});

test('a webhook is added, hears of a sale, is sent it again, gets a new secret, and is removed', async () => {
  const merchant = await server.register('merchant', 'Hook Merchant');
  const store = await server.store(merchant, 'Store of Hooks');
  const product = await server.product(merchant, store, 'Anchor');
  const { page, errors } = await person(chrome, server, { permissions: ['clipboard-write', 'clipboard-read'] });
  await signIn(page, merchant);
  await page.goto(`/merchant/stores/${store.id}`);
  await page.getByRole('link', { name: 'Webhooks' }).click();
  await page.getByRole('heading', { name: 'No webhook yet' }).waitFor();
  await accessible(page, 'no webhooks');

  await page.getByRole('button', { name: 'New webhook' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address').fill('ftp://somewhere.example/hook');
  await dialog.getByRole('button', { name: 'Add' }).click();
  // What is wrong is said at its field.
  await shows(dialog.locator('.field', { hasText: 'Address' }), 'https');
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  await dialog.getByLabel('Address').fill(url);
  await dialog.getByLabel(/A sale started/).check();
  await accessible(page, 'a new webhook');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const first = await shows(page.getByTestId('secret'), /whsec_\S+/);
  await page.getByRole('button', { name: 'Copy: Signing secret' }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), first.trim());
  await page.getByRole('button', { name: 'I have kept it' }).click();

  const hook = page.getByTestId('webhook');
  await shows(hook, url);
  await shows(hook, 'A sale started');
  await server.promotion(merchant, store, product);
  await until('the receiver heard of it', () => got.length === 1);
  assert.equal(got[0].event.type, 'promotion.started');
  await hook.getByRole('button', { name: 'Deliveries' }).click();
  await page.locator('[data-testid=deliveries] [data-status=delivered]').waitFor();
  await accessible(page, 'deliveries');
  await hook.getByRole('button', { name: /Send again: A sale started/ }).click();
  await until('it came again, as the same message', () => got.length === 2 && got[1].id === got[0].id);

  await hook.getByRole('button', { name: 'New secret' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'New secret' }).click();
  const second = await shows(page.getByTestId('secret'), /whsec_\S+/);
  assert.notEqual(second, first);
  await shows(page.getByRole('dialog'), 'The one before also signs until');
  await page.getByRole('button', { name: 'I have kept it' }).click();

  await hook.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove the webhook' }).click();
  await page.getByRole('heading', { name: 'No webhook yet' }).waitFor();
  assert.deepEqual((await server.call('GET', `/stores/${store.id}/webhooks`, { token: merchant.token })).items, []);
  assert.deepEqual(errors, []);
});

test('a delivery that nobody takes is shown as waiting, with what is wrong', async () => {
  const merchant = await server.register('merchant', 'Lost Merchant');
  const store = await server.store(merchant, 'Store of the Lost');
  const product = await server.product(merchant, store, 'Compass');
  // Nobody listens at port 9.
  await server.call('POST', `/stores/${store.id}/webhooks`, { token: merchant.token, body: { url: 'http://127.0.0.1:9/hook' } });
  await server.promotion(merchant, store, product);
  const { page, errors } = await person(chrome, server, { locale: 'es-CO' });
  await signIn(page, merchant);
  await page.goto(`/merchant/stores/${store.id}/webhooks`);
  await page.getByRole('button', { name: 'Envíos' }).click();
  const delivery = page.locator('[data-testid=deliveries] [data-status=waiting]');
  await shows(delivery, 'Empezó una oferta');
  await shows(delivery, /un intento|\d intentos/);
  assert.deepEqual(errors, []);
});
