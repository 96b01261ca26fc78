/** What screens decide: colours of the heat map, the rows of the fleet, the range of the charts, and when a press fires. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentNow } from "../src/api/types";
import { tokenIn } from "../src/api/token";
import { press } from "../src/controls/arming";
import { blocked } from "../src/controls/possible";
import { fleetRows } from "../src/model/fleet";
import { BANDS, bandOf, bandRange, intensity } from "../src/model/heat";
import { Viewport } from "../src/model/viewport";

test("a band holds what lies between its bounds", () => {
  assert.deepEqual(
    [bandRange(0)[1], bandRange(BANDS - 1)[0]].map((bound) => bound.toPrecision(9)),
    ["0.000100000000", "100.000000"],
  );
  for (let band = 0; band < BANDS; band++) {
    const [from, to] = bandRange(band);
    assert.equal(bandOf(Math.sqrt(from * to)), band);
    if (band < BANDS - 1) assert.equal(bandOf(to), band, "the upper bound belongs to it");
  }
  assert.deepEqual([bandOf(1e-9), bandOf(1e9)], [0, BANDS - 1]);
});

test("more answers are never painted fainter, one is always to be seen, none never", () => {
  assert.equal(intensity(0, 500), 0);
  assert.ok(intensity(1, 1e6) > 0.1);
  for (let n = 1; n < 500; n++) assert.ok(intensity(n + 1, 500) >= intensity(n, 500));
  assert.equal(intensity(500, 500), 1);
});

const agent = (id: string, region: string, cpu: number | null): AgentNow => ({
  id,
  region,
  state: "connected",
  users: 1,
  started: 1,
  clock_bound_s: null,
  cpu,
  lag_s: null,
  open_files: null,
  reported_s: 5,
  unobserved: [],
});
const names = (rows: ReturnType<typeof fleetRows>) =>
  rows.map((row) => (row.kind === "region" ? `[${row.region.region} ${row.region.agents}]` : row.agent.id));

test("regions of more than twenty agents are folded until someone opens them", () => {
  const agents = [
    agent("b2", "b", 0.1),
    agent("b10", "b", 0.9),
    agent("b1", "b", null),
    ...Array.from({ length: 21 }, (_, i) => agent(`a${i}`, "a", 0.5)),
  ];
  const byId = { by: "id", descending: false } as const;
  assert.deepEqual(names(fleetRows(agents, new Set(), byId)), ["[a 21]", "[b 3]", "b1", "b2", "b10"]);
  assert.equal(fleetRows(agents, new Set(["a"]), byId).length, 26);
  assert.deepEqual(names(fleetRows(agents, new Set(["b"]), byId)), ["[a 21]", "[b 3]"]);
  assert.deepEqual(
    names(fleetRows(agents, new Set(), { by: "cpu", descending: true })).slice(2),
    ["b10", "b2", "b1"],
    "unknown comes last",
  );
  assert.deepEqual(
    names(fleetRows(agents, new Set(), { by: "cpu", descending: false })).slice(2),
    ["b2", "b10", "b1"],
    "in either direction",
  );
});

test("charts follow the run until someone zooms, and again after", () => {
  const viewport = new Viewport();
  assert.deepEqual(viewport.range(100), [0, 100]);
  viewport.reset(1);
  assert.deepEqual(
    [viewport.range(100), viewport.range(20)],
    [
      [40, 100],
      [0, 60],
    ],
  );
  viewport.zoomTo(10, 20);
  assert.deepEqual(viewport.range(500), [10, 20]);
  viewport.point(30, 30);
  assert.deepEqual(
    [viewport.range(500), viewport.mark],
    [
      [25, 35],
      [30, 30],
    ],
  );
  viewport.reset();
  assert.deepEqual([viewport.range(500), viewport.mark], [[440, 500], null]);
});

test("the second press fires, unless it is a double click, too late, or on another cue", () => {
  const armed = { name: "vote", atMs: 1000 };
  const rows: [
    what: string,
    before: typeof armed | null,
    name: string,
    now: number,
    fires: boolean,
    armedAfter: string | null,
  ][] = [
    ["first press", null, "vote", 1000, false, "vote"],
    ["second press", armed, "vote", 1500, true, null],
    ["double click", armed, "vote", 1120, false, "vote"],
    ["too late", armed, "vote", 5100, false, "vote"],
    ["another cue", armed, "close", 1500, false, "close"],
  ];
  for (const [what, before, name, now, fires, after] of rows) {
    const next = press(before, name, now);
    assert.deepEqual([next.fire, next.armed?.name ?? null], [fires, after], what);
  }
});

test("what a run cannot do is refused with a reason", () => {
  const rows: [state: Parameters<typeof blocked>[0], kind: Parameters<typeof blocked>[1], possible: boolean][] = [
    [{ state: "running", paused: false }, "pause", true],
    [{ state: "running", paused: true }, "pause", false],
    [{ state: "running", paused: true }, "resume", true],
    [{ state: "running", paused: true }, "cue", true],
    [{ state: "gathering", paused: false }, "cue", false],
    [{ state: "gathering", paused: false }, "stop", true],
    [{ state: "stopping", paused: false }, "stop", true],
    [{ state: "stopping", paused: false }, "scale", false],
    [{ state: "judged", paused: false }, "stop", false],
  ];
  for (const [state, kind, possible] of rows)
    assert.equal(blocked(state, kind) === null, possible, `${kind} while ${state.state}, paused ${state.paused}`);
});

test("a pasted token may be the whole printed address", () => {
  assert.deepEqual(
    [tokenIn(" abc-_9 \n"), tokenIn("http://127.0.0.1:7700/#token=abc-_9"), tokenIn("http://h/#run=r&token=x&y=1")],
    ["abc-_9", "abc-_9", "x"],
  );
});
