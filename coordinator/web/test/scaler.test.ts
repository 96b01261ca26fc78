/** The picture of the autoscaler: what is missing is missing, and what came late takes its place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sample, ScalerFinding, ScalerPicture } from "../src/api/types";
import { Scaler, spans, valuesOf } from "../src/model/scaler";

function picture(to_s: number, series: Record<string, Sample[]>, part: Partial<ScalerPicture> = {}): ScalerPicture {
  const none = { under_accuracy: null, over_accuracy: null, under_accuracy_relative: null } as const;
  const figures = { over_accuracy_relative: null, under_share: null, over_share: null, jitter: null } as const;
  const others = { instability: null, tick_s: null, observed_share: null, readiness_s: null, overshoot: null } as const;
  const lists = { steps: [], bands: [], findings: [], activities: [], load: [] };
  const bounds = { at_least: null, at_most: null };
  const head = { observed: true, from_s: 0, to_s, capacity: null, bounds } as const;
  return {
    ...head,
    ...none,
    ...figures,
    ...others,
    reversals: null,
    errors_while_draining: null,
    ...lists,
    series,
    ...part,
  };
}

test("a sample holds until the next, what is missing is null, and nothing is known before and after", () => {
  const samples: Sample[] = [
    [1.4, 2],
    [3, null],
    [5, 0],
    [5.2, 4],
  ];
  const rows: [what: string, from: number, to: number, expected: (number | null)[]][] = [
    ["from the beginning", 0, 8, [null, null, 2, null, null, 0, 4, null]],
    ["from the middle", 4, 7, [null, 0, 4]],
    ["nothing at all", 4, 4, []],
  ];
  for (const [what, from, to, expected] of rows) assert.deepEqual(valuesOf(samples, from, to, 7), expected, what);
});

test("newer samples take the place of what was held from their instant on", () => {
  const scaler = new Scaler();
  const at = (s: number, value: number | null): Sample => [s, value];
  scaler.merge(picture(200, { ready: [at(0, 2), at(100, 4)], demand: [at(0, 2)] }), 0, 1);
  assert.equal(scaler.missingFrom, 80);
  scaler.merge(picture(210, { ready: [at(80, 2), at(95, 3), at(205, 5)], cpu: [at(205, 20)] }), 80, 2);
  assert.deepEqual(scaler.values("ready", 78, 82), [2, 2, 2, 2]);
  assert.deepEqual([scaler.values("ready", 95, 96), scaler.values("ready", 205, 206)], [[3], [5]], "it came late");
  assert.deepEqual(scaler.values("demand", 79, 81), [2, 2], "what is not told of anew stays");
  assert.deepEqual(scaler.values("cpu", 204, 206), [null, 20], "a metric that appears later");
  assert.deepEqual([scaler.values("ready", 210, 211), scaler.revision], [[null], 2]);
});

test("after the connection was away everything is asked for, and shown until it is there", () => {
  const scaler = new Scaler();
  scaler.merge(picture(300, { ready: [[0, 9]] }), 0, 7);
  scaler.doubt();
  assert.deepEqual([scaler.missingFrom, scaler.revision, scaler.values("ready", 5, 6)], [0, null, [9]]);
  scaler.merge(picture(20, { ready: [[0, 1]] }), 0, 1);
  assert.deepEqual([scaler.values("ready", 5, 6), scaler.values("ready", 30, 31)], [[1], [null]]);
});

test("supply is short only where both sides are known", () => {
  const scaler = new Scaler();
  const demand: Sample[] = [[0, 4]];
  const ready: Sample[] = [
    [1, 2],
    [2, null],
    [3, 6],
  ];
  scaler.merge(picture(4, { demand, ready }), 0, 1);
  assert.deepEqual(scaler.short(0, 4), [null, 2, null, 0]);
  const running = new Scaler();
  running.merge(picture(4, { demand, running: [[0, 3]], ready: [[0, null]] }), 0, 1);
  assert.deepEqual([running.supply, running.short(0, 1)], ["running", [1]], "readiness was never seen");
});

test("metrics with a band come first, and no series of instances is one", () => {
  const scaler = new Scaler();
  const bands = [{ metric: "queue", lo: 0, hi: 9, share: null }];
  scaler.merge(picture(1, { demand: [], ready: [], cpu: [], age: [], queue: [] }, { bands }), 0, 1);
  assert.deepEqual(scaler.metrics, ["queue", "age", "cpu"]);
});

test("findings share rows where they do not overlap, and stay readable at the edge", () => {
  const finding = (from_s: number, to_s: number): ScalerFinding => ({
    weight: "fail",
    kind: "slow",
    text: "",
    from_s,
    to_s,
  });
  const findings = [finding(0, 50), finding(60, 61), finding(40, 80), finding(99, 100), finding(200, 300)];
  const found = spans(findings, [0, 100], 0.2).map(({ index, row, left, width }) => [index, row, left, width]);
  assert.deepEqual(
    found.map((numbers) => numbers.map((number) => Math.round(number! * 100) / 100)),
    [
      [0, 0, 0, 0.5],
      [1, 0, 0.6, 0.2],
      [2, 1, 0.4, 0.4],
      [3, 0, 0.8, 0.2],
    ],
  );
});
