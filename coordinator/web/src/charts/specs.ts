/** Every chart of the dashboard and the report. */
import { USER_STATES } from "../api/types";
import { clock, count, duration, short } from "../model/format";
import { GRADES, type LatencyField, type Timeline } from "../model/timeline";
import { PALETTE, colour } from "./colour";
import { drawHeat, heatAt, heatRange } from "./heatmap";
import type { ChartSpec, SeriesSpec } from "./spec";

/** More lines than this cannot be told apart; the smaller ones are put together as `others`. */
const MOST_LINES = 7;

const counts = { format: count, axis: short };
const paint = (index: number) => PALETTE[index % PALETTE.length]!;

export const usersChart: ChartSpec = {
  id: "users",
  title: "Users",
  hint: "Users by state; dashed: how many the plan has live.",
  ...counts,
  series: (timeline, run) => [
    ...USER_STATES.filter((state) => state === "live" || state === "waiting" || run.users[state] > 0).map((state) => ({
      label: state,
      colour: `--${state}`,
      fill: state === "live",
      width: state === "live" ? 2 : 1.5,
      hidden: state === "waiting",
      values: (from: number, to: number) => timeline.users.get(state).slice(from, to),
    })),
    { label: "target", colour: "--target", dash: true, values: (from, to) => timeline.target.slice(from, to) },
  ],
};

export const arrivalsChart: ChartSpec = {
  id: "arrivals",
  title: "Arrivals per second",
  hint: "Users that arrived; dashed: users that should have.",
  ...counts,
  series: (timeline) => [
    { label: "arrived", colour: "--c1", fill: true, values: (from, to) => timeline.arrivals.slice(from, to) },
    {
      label: "planned",
      colour: "--target",
      dash: true,
      values: (from, to) => timeline.arrivalsPlanned.slice(from, to),
    },
  ],
};

export const requestsChart: ChartSpec = {
  id: "requests",
  title: "Requests answered per second",
  hint: "By the name of the call.",
  ...counts,
  series: (timeline, run) => {
    const busiest = [...run.calls].sort((a, b) => b.answered - a.answered).map((call) => call.name);
    const names = [...new Set([...busiest, ...timeline.callNames])].filter((name) => timeline.calls.has(name));
    const shown = names.slice(0, names.length > MOST_LINES ? MOST_LINES - 1 : MOST_LINES).sort();
    const others = names.filter((name) => !shown.includes(name));
    const values = (name: string | null) => (from: number, to: number) => timeline.latency(name).n.slice(from, to);
    return [
      { label: "all", colour: "--total", values: values(null) },
      ...shown.map((name, i) => ({ label: name, colour: paint(i), values: values(name) })),
      ...(others.length > 0
        ? [{ label: `${others.length} others`, colour: paint(MOST_LINES), values: summed(timeline, others) }]
        : []),
    ];
  },
};

const summed = (timeline: Timeline, names: string[]) => (from: number, to: number) => {
  const parts = names.map((name) => timeline.latency(name).n);
  return Array.from({ length: to - from }, (_, i) => parts.reduce((sum, part) => sum + (part.get(from + i) ?? 0), 0));
};

const PERCENTILES: [LatencyField, string][] = [
  ["max", "--max"],
  ["p99", "--p99"],
  ["p90", "--p90"],
  ["p50", "--p50"],
];

/** Of one call, or of all when `name` is null. */
export const responseChart = (name: string | null): ChartSpec => ({
  id: "response",
  title: "Response time",
  hint: "From the intended start of a call to its end.",
  format: duration,
  axis: duration,
  log: true,
  series: (timeline) =>
    PERCENTILES.map(([field, colour]) => ({
      label: field,
      colour,
      values: (from, to) => timeline.latency(name)[field].slice(from, to),
    })),
});

const nothing: SeriesSpec = {
  label: "",
  colour: "--muted",
  values: (from, to) => new Array<null>(Math.max(0, to - from)).fill(null),
};

export const heatChart: ChartSpec = {
  id: "heat",
  title: "Distribution of response times",
  hint: "Every answer, stronger where there are more.",
  format: duration,
  axis: duration,
  log: true,
  series: () => [nothing],
  draw: drawHeat,
  range: heatRange,
  describe: (timeline, second, value) => {
    const cell = heatAt(timeline, second, value);
    const all = timeline.response.n.get(second);
    const total = `${clock(second)} · ${count(all)} answers`;
    return cell ? `${total} · ${count(cell.n)} in ${duration(cell.from)} – ${duration(cell.to)}` : total;
  },
};

const byName =
  (columns: (timeline: Timeline) => Timeline["errors"]) =>
  (timeline: Timeline): SeriesSpec[] =>
    columns(timeline)
      .names.sort()
      .map((name, i) => ({
        label: name,
        colour: paint(i),
        values: (from, to) => columns(timeline).get(name).slice(from, to),
      }));

export const errorsChart: ChartSpec = {
  id: "errors",
  title: "Errors per second",
  hint: "By kind.",
  ...counts,
  series: (timeline) =>
    byName((t) => t.errors)(timeline).map((series, i) => ({
      ...series,
      colour: ERROR_COLOURS[i % ERROR_COLOURS.length]!,
    })),
};
const ERROR_COLOURS = ["--bad", "--c2", "--c4", "--c6", "--c8", "--c3"];

export const socketsChart: ChartSpec = {
  id: "sockets",
  title: "Open sockets",
  hint: "By transport.",
  ...counts,
  series: byName((timeline) => timeline.sockets),
};

const GRADE_COLOURS = ["--good", "--warn", "--bad"];

export const generatorChart: ChartSpec = {
  id: "generator",
  title: "Load generator",
  hint: "Whether our own agents kept up; where they did not, doubt the other charts.",
  height: 64,
  hideAxis: true,
  format: count,
  axis: () => "",
  series: () => [nothing],
  range: () => [0, 3],
  // The worse, the higher: colour is not the only sign.
  draw: (plot, timeline) => {
    const context = plot.ctx;
    context.save();
    context.beginPath();
    context.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    context.clip();
    for (const second of plot.data[0]) {
      const grade = timeline.generator.get(second);
      if (grade === null) continue;
      // Whole pixels, or seams show between the seconds.
      const x = Math.round(plot.valToPos(second - 0.5, "x", true));
      const y = plot.valToPos(grade + 1, "y", true);
      context.fillStyle = colour(GRADE_COLOURS[grade]!);
      context.fillRect(
        x,
        y,
        Math.round(plot.valToPos(second + 0.5, "x", true)) - x,
        plot.bbox.top + plot.bbox.height - y,
      );
    }
    context.restore();
  },
  describe: (timeline, second) => {
    const grade = timeline.generator.get(second);
    return `${clock(second)} · ${grade === null ? "unknown" : GRADES[grade]}`;
  },
};
