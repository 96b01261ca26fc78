/** The age of data by one clock only, and the patience between attempts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../src/model/backoff";
import { Freshness, staleness } from "../src/model/freshness";

test("a coordinator whose clock is wrong by hours makes nothing look old or young", () => {
  for (const wrong of [-7200, 0, 7200]) {
    const freshness = new Freshness();
    freshness.received(1000 + wrong, 50);
    freshness.received(1001 + wrong, 51);
    assert.equal(freshness.age(51), 0);
    assert.equal(freshness.age(54.5), 3.5);
  }
});

test("a snapshot that was held up on its way is as old as it was held up", () => {
  const freshness = new Freshness();
  freshness.received(1000, 50);
  freshness.received(1001, 55);
  assert.equal(freshness.age(55), 4);
});

test("a clock that was set back is forgotten after a while", () => {
  const freshness = new Freshness();
  freshness.received(1000, 50);
  for (let s = 1; s <= 60; s++) freshness.received(500 + s, 50 + s);
  assert.equal(freshness.age(110), 0);
});

test("stale and loud begin after two and five seconds; before the first snapshot nothing is old", () => {
  assert.equal(new Freshness().age(1), null);
  assert.deepEqual([null, 0, 2, 2.1, 5, 5.1].map(staleness), ["fresh", "fresh", "fresh", "stale", "stale", "loud"]);
});

test("attempts come quickly at first, never more than five seconds apart, and spread out", () => {
  assert.deepEqual(
    [1, 2, 3, 6, 100].map((failures) => backoff(failures, 1)),
    [250, 500, 1000, 5000, 5000],
  );
  assert.equal(backoff(1, 0), 125);
});
