/** The whole distribution of response times over time: one cell for each band and second, darker where more answers are. */
import type uPlot from "uplot";
import { BANDS, bandOf, bandRange, intensity } from "../model/heat";
import type { Timeline } from "../model/timeline";
import { rgb } from "./colour";

/** Cells narrower than this many pixels are put together, so that sixty minutes cost no more than two. */
const NARROWEST_PX = 2;

const canvas = document.createElement("canvas");

/** Paints all visible cells: first small, one pixel for each, then enlarged into place by the canvas. */
export function drawHeat(plot: uPlot, timeline: Timeline) {
  const seconds = plot.data[0];
  if (seconds.length === 0) return;
  const [first, last] = [seconds[0]!, seconds[seconds.length - 1]! + 1];
  const width = plot.valToPos(last, "x", true) - plot.valToPos(first, "x", true);
  const perCell = Math.max(1, Math.ceil(((last - first) * NARROWEST_PX) / width));
  const columns = Math.ceil((last - first) / perCell);
  const counts = sums(timeline, first, last, perCell, columns);
  paintCells(counts, columns);
  place(plot, first, first + columns * perCell);
}

function sums(timeline: Timeline, first: number, last: number, perCell: number, columns: number): Float64Array[] {
  return Array.from({ length: columns }, (_, column) => {
    const cell = new Float64Array(BANDS);
    timeline.heat.sum(first + column * perCell, Math.min(last, first + (column + 1) * perCell), cell);
    return cell;
  });
}

function paintCells(counts: Float64Array[], columns: number) {
  canvas.width = columns;
  canvas.height = BANDS;
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(columns, BANDS);
  const most = counts.reduce((most, cell) => Math.max(most, ...cell), 0);
  const ladder = [rgb("--heat-low"), rgb("--heat-mid"), rgb("--heat-high")] as const;
  counts.forEach((cell, column) =>
    cell.forEach((n, band) => {
      if (n === 0) return;
      const at = ((BANDS - 1 - band) * columns + column) * 4;
      image.data.set([...between(ladder, intensity(n, most)), 255], at);
    }),
  );
  context.putImageData(image, 0, 0);
}

type Rgb = [number, number, number];

/** The colour at `strength`, 0 to 1, on the way from the first over the second to the third. */
function between([low, mid, high]: readonly [Rgb, Rgb, Rgb], strength: number): Rgb {
  const [from, to, part] = strength < 0.5 ? [low, mid, strength * 2] : [mid, high, strength * 2 - 1];
  const mixed = (i: 0 | 1 | 2) => from[i] + (to[i] - from[i]) * part;
  return [mixed(0), mixed(1), mixed(2)];
}

/** A cell stands around its second, as the points of the other charts do. */
function place(plot: uPlot, from: number, to: number) {
  const x = plot.valToPos(from - 0.5, "x", true);
  const top = plot.valToPos(bandRange(BANDS - 1)[1], "y", true);
  const bottom = plot.valToPos(bandRange(0)[0], "y", true);
  const context = plot.ctx;
  context.save();
  context.beginPath();
  context.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x, top, plot.valToPos(to - 0.5, "x", true) - x, bottom - top);
  context.restore();
}

/** The durations between which there is anything to see, in seconds. */
export function heatRange(timeline: Timeline, from: number, to: number): [number, number] {
  const all = new Float64Array(BANDS);
  timeline.heat.sum(Math.max(0, Math.floor(from)), Math.min(timeline.end, Math.ceil(to) + 1), all);
  const lowest = all.findIndex((n) => n > 0);
  const highest = all.findLastIndex((n) => n > 0);
  if (lowest < 0) return [1e-3, 1];
  return [bandRange(Math.max(0, lowest - 1))[0], bandRange(Math.min(BANDS - 1, highest + 1))[1]];
}

/** The cell at a duration: its bounds and its answers. */
export function heatAt(
  timeline: Timeline,
  second: number,
  duration: number | null,
): { from: number; to: number; n: number } | null {
  if (duration === null || duration <= 0) return null;
  const band = bandOf(duration);
  const [from, to] = bandRange(band);
  return { from, to, n: timeline.heat.get(second, band) };
}
