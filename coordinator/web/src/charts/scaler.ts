/** The picture of the autoscaler: instances needed and there, and below it what the scaler goes by, second by second. */
import type uPlot from "uplot";
import { UNKNOWN, count, plural, short } from "../model/format";
import type { Scaler } from "../model/scaler";
import { colour } from "./colour";
import { clipped, hatch } from "./plugins";
import type { ChartSpec, SeriesSpec } from "./spec";

/** Side of the marks of the scaler's own log, in CSS pixels. */
const TICK = 9;

export const supplyChart = (scaler: Scaler): ChartSpec => ({
  id: "supply",
  title: "Supply and demand",
  hint: "Instances that the load needs, and those that are there; hatched in red: too few are ready. Triangles: the scaler's own log.",
  height: 230,
  wholeNumbers: true,
  format: count,
  axis: (value) => (Number.isInteger(value) ? short(value) : ""),
  series: () => [...instances(scaler), load(scaler)],
  range: (_, from, to) => [0, Math.max(1, mostInstances(scaler, from, to)) * 1.18],
  below: (plot) => drawShort(plot, scaler),
  draw: (plot) => {
    drawBounds(plot, scaler);
    drawActivities(plot, scaler);
  },
  note: (second) => noteAt(scaler, second),
});

function instances(scaler: Scaler): SeriesSpec[] {
  const of = (name: string, look: Omit<SeriesSpec, "label" | "values">): SeriesSpec => ({
    label: name,
    stepped: true,
    values: (from, to) => scaler.values(name, from, to),
    ...look,
  });
  return [
    of("ready", { colour: "--ready", fill: true, width: 2 }),
    of("demand", { colour: "--demand", width: 2 }),
    of("desired", { colour: "--desired", dash: true }),
    of("running", { colour: "--running", width: 1 }),
    of("draining", { colour: "--draining" }),
  ];
}

/** The load has an axis of its own: where one instance's capacity is known, the one on which demand just covers it. */
function load(scaler: Scaler): SeriesSpec {
  const { capacity } = scaler.picture ?? {};
  const per = capacity?.per_instance ?? ownScale(scaler);
  const unit = capacity?.of === "requests" ? "requests/s" : "users";
  return {
    label: "load",
    colour: "--load",
    width: 1,
    values: (from, to) => scaler.load(from, to).map((value) => (value === null ? null : value / per)),
    format: (value) => (value === null ? UNKNOWN : `${count(value * per)} ${unit}`),
  };
}

/** So that its highest value is as high as that of the instances. */
function ownScale(scaler: Scaler): number {
  const end = Math.ceil(scaler.picture?.to_s ?? 0);
  const most = Math.max(0, ...scaler.load(0, end).map((value) => value ?? 0));
  return most > 0 ? most / Math.max(1, mostInstances(scaler, 0, end)) : 1;
}

function mostInstances(scaler: Scaler, from: number, to: number): number {
  const [first, end] = [Math.max(0, Math.floor(from)), Math.ceil(to) + 1];
  let most = 0;
  for (const name of ["demand", "desired", "running", "ready"])
    for (const value of scaler.values(name, first, end)) if (value !== null && value > most) most = value;
  return most;
}

/** Between supply and demand where supply is short: a surface and a hatching, so that it is seen without its colour. */
function drawShort(plot: uPlot, scaler: Scaler) {
  const seconds = plot.data[0];
  const [first, end] = [seconds[0] ?? 0, (seconds.at(-1) ?? -1) + 1];
  const missing = scaler.short(first, end);
  const supply = scaler.values(scaler.supply, first, end);
  clipped(plot, (context) => {
    const y = (value: number) => plot.valToPos(value, "y", true);
    const surface = new Path2D();
    missing.forEach((by, i) => {
      if (by === null || by === 0) return;
      const left = Math.round(plot.valToPos(first + i, "x", true));
      const right = Math.round(plot.valToPos(first + i + 1, "x", true));
      const top = y(supply[i]! + by);
      surface.rect(left, top, right - left, y(supply[i]!) - top);
    });
    context.fillStyle = colour("--short");
    context.fill(surface);
    context.clip(surface);
    context.strokeStyle = colour("--bad");
    context.lineWidth = devicePixelRatio;
    hatch(plot, context, plot.bbox.left, plot.bbox.left + plot.bbox.width);
  });
}

/** The plan's bounds, as far as they are in view. */
function drawBounds(plot: uPlot, scaler: Scaler) {
  const { at_least, at_most } = scaler.picture?.bounds ?? {};
  clipped(plot, (context) => {
    dashed(plot, context, at_least, "at least");
    dashed(plot, context, at_most, "at most");
  });
}

function dashed(plot: uPlot, context: CanvasRenderingContext2D, value: number | null | undefined, text: string) {
  if (value == null || value > (plot.scales.y?.max ?? 0)) return;
  const { left, width } = plot.bbox;
  const y = Math.round(plot.valToPos(value, "y", true));
  context.strokeStyle = context.fillStyle = colour("--muted");
  context.lineWidth = devicePixelRatio;
  context.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  context.beginPath();
  context.moveTo(left, y);
  context.lineTo(left + width, y);
  context.stroke();
  context.setLineDash([]);
  context.font = `${10 * devicePixelRatio}px ${getComputedStyle(plot.root).fontFamily}`;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(`${text} ${value}`, left + 4 * devicePixelRatio, y - 2 * devicePixelRatio);
}

/** A triangle at the foot for each decision in the scaler's own log: up for more, down for fewer. */
function drawActivities(plot: uPlot, scaler: Scaler) {
  const size = TICK * devicePixelRatio;
  const foot = plot.bbox.top + plot.bbox.height - devicePixelRatio;
  clipped(plot, (context) => {
    context.fillStyle = colour("--desired");
    context.strokeStyle = colour("--panel");
    context.lineWidth = devicePixelRatio;
    for (const [at, change] of scaler.picture?.activities ?? []) {
      const x = plot.valToPos(at, "x", true);
      const [base, tip] = change > 0 ? [foot, foot - size] : [foot - size, foot];
      context.beginPath();
      context.moveTo(x - size / 2, base);
      context.lineTo(x + size / 2, base);
      context.lineTo(x, tip);
      context.closePath();
      context.fill();
      context.stroke();
    }
  });
}

/** What is to be said of a second beside its values. */
function noteAt(scaler: Scaler, second: number): string {
  const [short = null] = scaler.short(second, second + 1);
  const decided = (scaler.picture?.activities ?? []).filter(([at]) => at >= second && at < second + 1);
  const notes = [
    ...(short !== null && short > 0 ? [`short by ${plural(short, "instance")}`] : []),
    ...decided.map(([, change]) => `scaler's log: ${change > 0 ? "+" : "−"}${Math.abs(change)}`),
  ];
  return notes.join(" · ");
}

/** One metric that the scaler goes by, over the band that it is to be kept in. */
export const metricChart = (scaler: Scaler, name: string): ChartSpec => ({
  id: `metric-${name}`,
  title: name,
  hint: "What the scaler goes by; shaded: the band that it is to be kept in.",
  height: 120,
  format: (value) => (value === null ? UNKNOWN : short(value)),
  axis: short,
  series: () => [{ label: name, colour: "--c4", stepped: true, values: (from, to) => scaler.values(name, from, to) }],
  range: (_, from, to) => {
    const seen = scaler.values(name, Math.max(0, Math.floor(from)), Math.ceil(to) + 1);
    const most = seen.reduce<number>((most, value) => Math.max(most, value ?? 0), bandOf(scaler, name)?.hi ?? 0);
    return [0, most > 0 ? most * 1.15 : 1];
  },
  below: (plot) => drawBand(plot, bandOf(scaler, name)),
});

const bandOf = (scaler: Scaler, name: string) => scaler.picture?.bands.find((band) => band.metric === name);

function drawBand(plot: uPlot, band: { lo: number; hi: number } | undefined) {
  if (!band) return;
  clipped(plot, (context) => {
    const { left, width } = plot.bbox;
    const [top, foot] = [plot.valToPos(band.hi, "y", true), plot.valToPos(band.lo, "y", true)];
    context.fillStyle = colour("--band");
    context.fillRect(left, top, width, foot - top);
    context.fillStyle = colour("--band-edge");
    for (const y of [top, foot]) context.fillRect(left, Math.round(y), width, devicePixelRatio);
  });
}
