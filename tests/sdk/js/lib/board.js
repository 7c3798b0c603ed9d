// What a shopper's screen would show: keeps offers as subscribe answers and publications change them,
// and holds the delivery rules while doing so. Fed by a Channel.

import assert from 'node:assert/strict';

/** The offers on a screen, by id. */
export class Board {
  constructor(channel) {
    this.offers = new Map();
    this.versions = new Map();
    channel.sub.on('subscribed', (ctx) => this.snapshot(ctx.data));
    channel.sub.on('publication', (ctx) => this.publication(ctx.data));
  }

  /** `{id: v}` of everything shown, as `known` wants it. */
  get known() {
    return Object.fromEntries([...this.offers].map(([id, offer]) => [id, offer.v]));
  }

  snapshot({ offers, gone }) {
    for (const id of gone) this.offers.delete(id);
    for (const offer of offers) this.show(offer);
  }

  publication(data) {
    if (data.type === 'offer') {
      this.grow(data.offer.id, data.offer.v);
      this.show(data.offer);
    } else if (data.type === 'stock') {
      const offer = this.offers.get(data.id);
      assert.ok(offer, `stock of an offer that is not shown: ${data.id}`);
      this.grow(data.id, data.v);
      Object.assign(offer, { v: data.v, remaining: data.remaining, held: data.held });
    } else if (data.type === 'gone') {
      assert.ok(this.offers.delete(data.id), `gone, but it was not shown: ${data.id}`);
    } else {
      assert.fail(`unknown publication ${JSON.stringify(data)}`);
    }
  }

  show(offer) {
    assert.ok(offer.remaining >= 0 && offer.held >= 0 && offer.remaining + offer.held <= offer.stock);
    this.versions.set(offer.id, offer.v);
    this.offers.set(offer.id, { ...offer });
  }

  /** Per promotion, `v` never goes back on a socket (an offer that enters again may repeat it). */
  grow(id, v) {
    const before = this.versions.get(id) ?? 0;
    assert.ok(v >= before, `v of ${id} went from ${before} back to ${v}`);
    this.versions.set(id, v);
  }
}
