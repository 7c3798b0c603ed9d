// Every page fits a small phone: nothing is wider than the screen, in both languages, whoever looks.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { town } from './town.js';
import { browser, person, Server, shows, signIn } from './support.js';

/** The narrowest phones that are still about. */
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
const MORE = { category: 'books' };

let server;
let chrome;
let scene;
before(async () => {
  server = await Server.start({ FLASH_WEBHOOKS_ALLOW_PRIVATE: 'true' });
  chrome = await browser({ webgl: false });
  scene = await town(server);
});
after(async () => {
  await chrome?.close();
  await server?.stop();
});

/** What sticks out to the right, not counting what scrolls by itself. */
const tooWide = () => {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth && innerWidth <= screen.width) return [];
  const out = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > screen.width + 0.5);
  return [`${scrollWidth} px`, ...out.slice(0, 6).map((one) => `${one.tagName}.${one.className} ${Math.round(one.getBoundingClientRect().right)}`)];
};

async function fits(page, what) {
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
  assert.deepEqual(await page.evaluate(tooWide), [], what);
}

for (const locale of ['en-US', 'es-CO']) {
  test(`a shopper's pages, ${locale}`, async () => {
    const { page, errors } = await person(chrome, server, { ...PHONE, locale });
    await page.goto('/sign-in?new=merchant');
    await page.locator('input[name=name]').waitFor();
    await fits(page, 'registering');
    await signIn(page, scene.shopper);
    await page.goto('/');
    await page.getByTestId('deal').first().waitFor();
    await page.getByTestId('upcoming').first().waitFor();
    await fits(page, 'deals');
    await page.goto(`/deals/${scene.promotions[5].id}`);
    await page.getByTestId('deal-sheet').waitFor();
    await fits(page, 'a deal');
    await page.goto('/claims');
    await page.getByTestId('claim').first().waitFor();
    await fits(page, 'claims');
    for (const path of ['/inbox', '/account']) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await fits(page, path);
    }
    await page.goto('/merchant');
    await page.getByTestId('shoppers-only').waitFor();
    await fits(page, 'the console for a shopper');
    assert.deepEqual(errors, []);
  });

  test(`the console, ${locale}`, async () => {
    const { page, errors } = await person(chrome, server, { ...PHONE, locale });
    const { merchant, promotions } = scene;
    const store = promotions[0].store_id;
    await signIn(page, merchant);
    await page.locator('.store-card').first().waitFor();
    await fits(page, 'stores');
    for (const tab of ['sales', 'products', 'launch', 'redeem', 'staff', 'notifications', 'webhooks', 'settings']) {
      await page.goto(`/merchant/stores/${store}/${tab}`);
      await page.getByRole('heading', { level: 1, name: promotions[0].store_name }).waitFor();
      if (tab === 'launch') await shows(page.getByTestId('estimate'), /\d/);
      await fits(page, tab);
    }
    await scene.rush(promotions[0]);
    await page.goto(`/merchant/promotions/${promotions[0].id}`);
    await page.getByRole('cell', { name: /Rush/ }).first().waitFor();
    await fits(page, 'board');
    const daily = { from: '07:00', to: '09:30', timezone: 'America/Bogota', start_date: new Date(Date.now() + 86_400_000).toISOString().slice(0, 10) };
    const [product] = (await server.call('GET', `/stores/${store}/products`, { token: merchant.token })).items;
    const day = await server.promotion(merchant, { id: store }, product, { ...MORE, ends_at: undefined, daily });
    await page.goto(`/merchant/series/${day.series_id}`);
    await page.getByTestId('sale').first().waitFor();
    await fits(page, 'a series');
    assert.deepEqual(errors, []);
  });

  test(`operations, ${locale}`, async () => {
    const { page, errors } = await person(chrome, server, { ...PHONE, locale });
    await signIn(page, scene.admin);
    await page.goto('/operations');
    await page.getByRole('cell', { name: scene.shopper.name }).first().waitFor();
    await fits(page, 'operations');
    assert.deepEqual(errors, []);
  });
}
