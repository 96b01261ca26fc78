/** Numbers for people: grouped, rounded once, and a dash where nothing is known. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, count, duration, percent, plural, share, short } from "../src/model/format";

const check = <T>(name: string, format: (value: T) => string, rows: [T, string][]) =>
  test(name, () => {
    for (const [value, expected] of rows)
      assert.equal(format(value).replaceAll("\u2009", " "), expected, `${name}(${value})`);
  });

check<number | null>("count", count, [
  [0, "0"],
  [999, "999"],
  [1000, "1 000"],
  [300000, "300 000"],
  [1234567, "1 234 567"],
  [null, "–"],
  [NaN, "–"],
]);
check<number | null>("short", short, [
  [0, "0"],
  [0.25, "0.25"],
  [9999, "9999"],
  [10000, "10k"],
  [12345, "12.3k"],
  [300000, "300k"],
  [2.5e6, "2.5M"],
  [null, "–"],
]);
check<number | null>("duration", duration, [
  [null, "–"],
  [0, "0 ms"],
  [0.00041, "410 µs"],
  [0.0041, "4.10 ms"],
  [0.0412, "41.2 ms"],
  [0.412, "412 ms"],
  [0.9996, "1.00 s"],
  [1.24, "1.24 s"],
  [42.42, "42.4 s"],
  [125, "2 m 05 s"],
]);
check<number | null>("clock", clock, [
  [0, "0:00"],
  [65.9, "1:05"],
  [3723, "1:02:03"],
  [-4, "−0:04"],
  [-0.4, "0:00"],
  [null, "–"],
]);
check<number | null>("percent", percent, [
  [0, "0 %"],
  [1, "100 %"],
  [0.9985, "99.85 %"],
  [0.999999, "> 99.99 %"],
  [0.000001, "< 0.01 %"],
  [0.5, "50.0 %"],
  [0.002, "0.20 %"],
  [null, "–"],
]);

test("a share of nothing is unknown", () => {
  assert.deepEqual([share(0, 0), share(0, null), share(1, 2)], [null, null, 0.5]);
  assert.deepEqual([plural(1, "agent"), plural(0, "agent")], ["1 agent", "0 agents"]);
});
