/** The timeline merges by revision, and tells when it cannot. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Second, Snapshot } from "../src/api/types";
import { emptyRun } from "../src/model/empty";
import { Timeline } from "../src/model/timeline";

function second(s: number, part: Partial<Second> = {}): Second {
  return {
    s,
    settled: false,
    users: { live: 10 },
    target: null,
    arrivals: 1,
    arrivals_planned: 1,
    response: null,
    calls: {},
    heat: [],
    errors: {},
    sockets: {},
    generator: null,
    ...part,
  };
}

function snapshot(revision: number, since: number, seconds: Second[], settled: number | null = null): Snapshot {
  return { revision, since, made_at: 0, run: { ...emptyRun("r"), settled_s: settled }, seconds };
}

test("a snapshot is merged only if it continues what is held", () => {
  const rows: [what: string, held: number, revision: number, since: number, expected: string][] = [
    ["the next one", 5, 6, 5, "merged"],
    ["one that overlaps", 5, 9, 3, "merged"],
    ["one that skips revisions", 5, 9, 7, "gap"],
    ["the same again", 5, 5, 4, "old"],
    ["one of an earlier time, or of a new life of the coordinator", 5, 2, 0, "old"],
  ];
  for (const [what, held, revision, since, expected] of rows) {
    const timeline = new Timeline();
    timeline.merge(snapshot(held, 0, [second(0)]));
    assert.equal(timeline.merge(snapshot(revision, since, [second(1)])), expected, what);
    assert.equal(timeline.end, expected === "merged" ? 2 : 1, what);
  }
});

test("a later word about a second replaces all of the earlier one", () => {
  const timeline = new Timeline();
  timeline.merge(
    snapshot(1, 0, [
      second(0, {
        errors: { timeout: 3 },
        heat: [
          [4, 7],
          [9, 1],
        ],
      }),
    ]),
  );
  timeline.merge(snapshot(2, 1, [second(0, { errors: { reset: 1 }, heat: [[4, 8]] })]));
  assert.deepEqual([timeline.errors.get("timeout").get(0), timeline.errors.get("reset").get(0)], [0, 1]);
  assert.deepEqual([timeline.heat.get(0, 4), timeline.heat.get(0, 9)], [8, 0]);
});

test("a name that appears late was zero before, in seconds that are known, and unknown elsewhere", () => {
  const timeline = new Timeline();
  timeline.merge(
    snapshot(1, 0, [
      second(0),
      second(2),
      second(3, { errors: { timeout: 2 }, calls: { vote: { n: 4, p50: 1, p90: 1, p99: 1, max: 1 } } }),
    ]),
  );
  assert.deepEqual(timeline.errors.get("timeout").slice(0, 5), [0, null, 0, 2, null]);
  assert.equal(timeline.latency("vote").p50.get(0), null, "without an answer nobody knows how long one takes");
  assert.equal(timeline.latency("never called").n.get(0), null);
});

test("reset forgets a former life, whatever its revision was", () => {
  const timeline = new Timeline();
  timeline.merge(snapshot(900, 0, [second(0, { sockets: { websocket: 5 } }), second(40)], 40));
  timeline.reset(snapshot(3, 0, [second(0)], 0));
  assert.deepEqual([timeline.revision, timeline.end, timeline.settled], [3, 1, 0]);
  assert.equal(timeline.users.get("live").get(40), null);
  assert.deepEqual(timeline.sockets.names, []);
});

test("columns grow past an hour and keep what they hold", () => {
  const timeline = new Timeline();
  timeline.add(Array.from({ length: 4000 }, (_, s) => second(s, { arrivals: s, heat: [[s % 62, s + 1]] })));
  assert.deepEqual(
    [timeline.arrivals.get(0), timeline.arrivals.get(3999), timeline.arrivals.get(4000)],
    [0, 3999, null],
  );
  assert.equal(timeline.heat.get(3999, 3999 % 62), 4000);
});

test("the current second is the last settled one, and says when it is incomplete", () => {
  const rows: [what: string, end: number, settled: number | null, expected: unknown][] = [
    ["nothing yet", 0, null, null],
    ["agents tell in time", 20, 17, { second: 17, partial: false }],
    ["an agent is silent for long", 20, 3, { second: 18, partial: true }],
    ["nothing is settled", 20, null, { second: 18, partial: true }],
  ];
  for (const [what, end, settled, expected] of rows) {
    const timeline = new Timeline();
    timeline.merge(
      snapshot(
        1,
        0,
        Array.from({ length: end }, (_, s) => second(s)),
        settled,
      ),
    );
    assert.deepEqual(timeline.current(), expected, what);
  }
});
