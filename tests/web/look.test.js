// How it looks and to whom: Spanish, a phone, dark, WCAG 2.2 AA by axe on every page, and the headers under it all.
// It also makes the pictures of the README (docs/images), where FLASH_TEST_PICTURES names a directory.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { town } from './town.js';
import { accessible, PATIENCE_MS, browser, card, isLive, person, Server, shows, signIn, until } from './support.js';

let server;
let chrome;
/** The browser that draws maps. */
let drawing;
let scene;
before(async () => {
  server = await Server.start();
  chrome = await browser({ webgl: false });
  drawing = await browser();
  scene = await town(server);
});
after(async () => {
  await chrome?.close();
  await drawing?.close();
  await server?.stop();
});

const pictures = process.env.FLASH_TEST_PICTURES;
async function picture(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** The map is drawn in software here, and slowly where something else runs. */
const mapReady = (page) => page.locator('[data-testid=map][data-drawn=true]').waitFor({ timeout: 3 * PATIENCE_MS });
/** Waits until every chart of the page has at least so many points. */
const charted = (page, points) =>
  page.waitForFunction((least) => [...document.querySelectorAll('.plot')].every((plot) => Number(plot.dataset.points) >= least), points);

for (const scheme of ['light', 'dark']) {
  test(`the shopper's pages, ${scheme}`, async () => {
    const map = await person(drawing, server, { colorScheme: scheme });
    await signIn(map.page, scene.shopper);
    await map.page.goto('/');
    await isLive(map.page);
    await mapReady(map.page);
    await card(map.page, scene.promotions[0]).waitFor();
    await map.page.locator('.pin').first().waitFor();
    await picture(map.page, scheme === 'light' ? 'shopper' : 'shopper-dark');
    await accessible(map.page, 'deals');
    await map.context.close();
    const { page, errors } = await person(chrome, server, { colorScheme: scheme });
    await signIn(page, scene.shopper);
    await page.goto(`/deals/${scene.promotions[1].id}`);
    await page.getByRole('button', { name: 'Claim now' }).waitFor();
    await accessible(page, 'a deal');
    for (const path of ['/claims', '/inbox', '/account']) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await accessible(page, path);
    }
    await page.goto('/claims');
    await page.getByRole('button', { name: 'Show code' }).first().click();
    await page.getByTestId('code').waitFor();
    await accessible(page, 'the code');
    assert.deepEqual([...map.errors, ...errors], []);
  });

  test(`the merchant's console, ${scheme}`, async () => {
    const { page, errors } = await person(chrome, server, { colorScheme: scheme });
    await signIn(page, scene.merchant);
    await page.getByRole('heading', { name: 'Your stores' }).waitFor();
    await accessible(page, 'stores');
    const store = scene.promotions[0].store_id;
    for (const tab of ['sales', 'products', 'launch', 'redeem', 'staff', 'notifications', 'webhooks', 'settings']) {
      await page.goto(`/merchant/stores/${store}/${tab}`);
      await page.getByRole('heading', { level: 1, name: scene.promotions[0].store_name }).waitFor();
      if (tab === 'launch') await shows(page.getByTestId('estimate'), /[1-9]\d* cells/);
      await accessible(page, tab);
    }
    await page.goto(`/merchant/promotions/${scene.promotions[0].id}`);
    await page.getByTestId('board').waitFor();
    await shows(page.getByTestId('rate'), /\d/);
    await scene.rush(scene.promotions[0]);
    await shows(page.getByTestId('conversion'), /[1-9]\d%/);
    await page.getByRole('cell', { name: 'Rush 0' }).first().waitFor();
    await charted(page, 5);
    await scene.rush(scene.promotions[0]);
    await charted(page, 8);
    if (scheme === 'light') await picture(page, 'merchant');
    await accessible(page, 'board');
    assert.deepEqual(errors, []);
  });
}

test('a launch shows its reach as cells on the map', async () => {
  const { page, errors, context } = await person(drawing, server);
  await signIn(page, scene.merchant);
  await page.goto(`/merchant/stores/${scene.promotions[0].store_id}/launch`);
  await page.locator('[data-testid=pick-map][data-ready=true]').waitFor();
  await shows(page.getByTestId('estimate'), /6 cells/);
  await picture(page, 'launch');
  await page.getByRole('slider').fill('0');
  await shows(page.getByTestId('estimate'), /1 cell /);
  await context.close();
  assert.deepEqual(errors, []);
});

test('the operations page is for admins', async () => {
  const { page, errors } = await person(chrome, server);
  await signIn(page, scene.shopper);
  await page.goto('/operations');
  await page.getByRole('heading', { name: 'This is not for you to see' }).waitFor();
  const admin = await person(chrome, server);
  await signIn(admin.page, scene.admin);
  await admin.page.goto('/operations');
  await shows(admin.page.getByTestId('health'), 'Ready');
  await shows(admin.page.getByTestId('sessions'), /[1-9]/);
  await admin.page.getByRole('cell', { name: scene.shopper.name }).first().waitFor();
  await scene.rush(scene.promotions[2]);
  await charted(admin.page, 3);
  await scene.rush(scene.promotions[2]);
  await charted(admin.page, 6);
  await picture(admin.page, 'operations');
  await accessible(admin.page, 'operations');
  assert.deepEqual([...errors, ...admin.errors], []);
});

test('in Spanish, chosen by the browser, and switchable', async () => {
  const { page, errors } = await person(chrome, server, { locale: 'es-CO' });
  await page.goto('/');
  await page.getByRole('heading', { name: 'Ofertas cerca de ti' }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'es');
  await shows(page.getByTestId('connection'), 'En vivo');
  // Money, numbers and distances as one writes them in Colombia.
  await shows(card(page, scene.promotions[0]), /40\.000/);
  await page.goto('/sign-in');
  await page.locator('input[name=email]').fill(scene.shopper.email);
  await page.locator('input[name=password]').fill('not the password');
  await page.locator('form button[type=submit]').click();
  // The server's words are Spanish too.
  await shows(page.getByRole('alert'), /contraseña|correo/i);
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.deepEqual(errors, []);
});

test('on a phone', async () => {
  const { page, errors } = await person(drawing, server, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  await page.goto('/');
  await isLive(page);
  await mapReady(page);
  await card(page, scene.promotions[0]).waitFor();
  await page.locator('.pin').first().waitFor();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `nothing sticks out: ${width}`);
  const tabs = page.getByRole('navigation', { name: 'Main' });
  const box = await tabs.boundingBox();
  assert.ok(box.y + box.height >= 840, 'the tabs are at the thumb');
  await picture(page, 'phone');
  await accessible(page, 'phone');
  await card(page, scene.promotions[0]).tap();
  const dialog = await page.getByRole('dialog').boundingBox();
  assert.ok(dialog.y + dialog.height >= 840 && dialog.width >= 388, 'a deal comes up as a sheet');
  await accessible(page, 'sheet on a phone');
  assert.deepEqual(errors, []);
});

test('by keyboard alone: from the list into a deal and back', async () => {
  const { page } = await person(chrome, server);
  await page.goto('/');
  await card(page, scene.promotions[0]).waitFor();
  await page.keyboard.press('Tab');
  await shows(page.locator(':focus'), 'Skip to content');
  await card(page, scene.promotions[0]).getByRole('button').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
});

test('by keyboard alone: claim, confirm, and the code, with the focus never lost', async () => {
  const shopper = await server.register('shopper', 'Keys');
  const { page, errors } = await person(chrome, server);
  await signIn(page, shopper);
  await page.goto(`/deals/${scene.promotions[4].id}`);
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  /** Tabs on until the focus is at what is named so. */
  const tabTo = async (name) => {
    for (let steps = 0; steps < 12; steps += 1) {
      if ((await focused()).includes(name)) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`${name} is not reached: ${await focused()}`);
  };
  await page.getByRole('button', { name: 'Claim now' }).waitFor();
  await tabTo('Claim now');
  await page.keyboard.press('Enter');
  await until('the focus is at the hold', async () => (await focused()) === 'On hold for you');
  await tabTo('Confirm');
  await page.keyboard.press('Enter');
  await until('the focus is at the code', async () => (await focused()) === 'It is yours');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.deepEqual(errors, []);
});

test('a strict policy, assets for a year, compressed copies, and nothing from elsewhere', async () => {
  const { page } = await person(drawing, server);
  const hosts = new Set();
  page.on('request', (request) => hosts.add(new URL(request.url()).host));
  await page.goto('/');
  await mapReady(page);
  hosts.delete('');
  assert.deepEqual([...hosts], [new URL(server.url).host]);

  const document = await fetch(`${server.url}/`, { headers: { 'Accept-Encoding': 'identity' } });
  const policy = document.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(document.headers.get('cache-control'), 'no-cache');
  const again = await fetch(`${server.url}/`, { headers: { 'If-None-Match': document.headers.get('etag') } });
  assert.equal(again.status, 304);
  const [script] = (await document.text()).match(/\/assets\/[^"]+\.js/);
  for (const encoding of ['br', 'gzip', 'identity']) {
    const asset = await fetch(server.url + script, { headers: { 'Accept-Encoding': encoding } });
    assert.equal(asset.headers.get('content-encoding') ?? 'identity', encoding);
    assert.match(asset.headers.get('cache-control'), /max-age=31536000, immutable/);
    assert.match(await asset.text(), /import|const/);
  }
  assert.equal((await fetch(`${server.url}/assets/none.js`)).status, 404);
  assert.equal((await fetch(`${server.url}/merchant/stores/x/launch`)).status, 200);
});

test('the first load is small', async () => {
  const { page, context } = await person(chrome, server);
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  const sizes = new Map();
  const names = new Map();
  session.on('Network.responseReceived', ({ requestId, response }) => names.set(requestId, new URL(response.url).pathname));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
  await page.goto('/');
  await card(page, scene.promotions[0]).waitFor();
  await isLive(page);
  // The map's chunk, its worker and its land come after; everything else is what a first look costs.
  const first = [...sizes].filter(([id]) => !/^.assets.(deal-map|pick-map|map-|maplibre|countries|src-)/.test(names.get(id) ?? ''));
  const bytes = first.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(bytes <= 350 * 1024, `${Math.round(bytes / 1024)} KiB: ${first.map(([id]) => names.get(id))}`);
});
