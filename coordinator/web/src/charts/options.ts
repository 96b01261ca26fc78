/** How a chart looks and how it answers the mouse: the options that uPlot gets. */
import uPlot from "uplot";
import { clock } from "../model/format";
import type { RunStore } from "../model/store";
import { colour } from "./colour";
import { markPlugin, markerPlugin, unobservedPlugin, unsettledPlugin } from "./plugins";
import type { ChartSpec, SeriesSpec } from "./spec";

/** Steps of the time axis in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

/** Steps of an axis that counts. */
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

export interface Size {
  width: number;
  height: number;
}

interface Callbacks {
  onCursor: (index: number | null, plot: uPlot) => void;
}

export function options(
  store: RunStore,
  spec: ChartSpec,
  series: SeriesSpec[],
  log: boolean,
  size: Size,
  callbacks: Callbacks,
): uPlot.Options {
  return {
    ...size,
    padding: [10, 18, 0, 0],
    legend: { show: false },
    cursor: cursor(store),
    scales: {
      x: { time: false, range: () => store.viewport.range(store.timeline.end) },
      y: { distr: log ? 3 : 1, log: 10, range: (_, low, high) => verticalRange(store, spec, log, low, high) },
    },
    axes: [timeAxis(), valueAxis(spec)],
    series: [{}, ...series.map(line)],
    plugins: [
      markPlugin(store),
      drawnBy(spec, store),
      unobservedPlugin(store),
      unsettledPlugin(store),
      markerPlugin(store, !spec.hideAxis),
    ],
    hooks: {
      setCursor: [(plot) => callbacks.onCursor(plot.cursor.idx ?? null, plot)],
      setSelect: [(plot) => zoom(store, plot)],
    },
  };
}

/** All charts of a page move their cursors together; a stretch that is dragged over becomes everybody's range. */
function cursor(store: RunStore): uPlot.Cursor {
  return {
    sync: {
      key: "rehearsal",
      setSeries: false,
      scales: ["x", null],
      filters: { pub: (type) => type === "mousemove" || type === "mouseleave", sub: () => true },
    },
    drag: { x: true, y: false, setScale: false },
    points: { size: 6 },
    bind: {
      dblclick: () => () => {
        store.viewport.reset();
        return null;
      },
    },
  };
}

function zoom(store: RunStore, plot: uPlot) {
  const { left, width } = plot.select;
  if (width < 4) return;
  store.viewport.zoomTo(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

function verticalRange(
  store: RunStore,
  spec: ChartSpec,
  log: boolean,
  low: number | null,
  high: number | null,
): [number, number] {
  if (spec.range) return spec.range(store.timeline, ...store.viewport.range(store.timeline.end));
  if (log)
    return low === null || high === null || low <= 0 ? [1e-3, 1] : [10 ** Math.floor(Math.log10(low)), high * 1.3];
  return [0, high === null || high <= 0 ? 1 : high * 1.12];
}

function timeAxis(): uPlot.Axis {
  return {
    ...axisLook(),
    incrs: STEPS,
    space: 70,
    size: 26,
    values: (_, splits) => splits.map((second) => clock(second)),
  };
}

function valueAxis(spec: ChartSpec): uPlot.Axis {
  const label = (value: number | null) => (value === null ? "" : spec.axis(value));
  // Without labels it still takes its room, so that all charts have the same second at the same place.
  return {
    ...axisLook(),
    ...(spec.hideAxis ? { grid: { show: false } } : {}),
    ...(spec.wholeNumbers ? { incrs: WHOLE_STEPS } : {}),
    size: 56,
    space: 34,
    values: (_, splits) => splits.map(label),
  };
}

const axisLook = (): uPlot.Axis => ({
  stroke: () => colour("--muted"),
  font: `11px ${getComputedStyle(document.body).fontFamily}`,
  grid: { stroke: () => colour("--grid"), width: 1 },
  ticks: { show: false },
});

function line(spec: SeriesSpec): uPlot.Series {
  return {
    label: spec.label,
    show: !spec.hidden,
    stroke: () => colour(spec.colour),
    width: spec.width ?? 1.5,
    dash: spec.dash ? [5, 4] : undefined,
    fill: spec.fill ? () => colour(`${spec.colour}-fill`) : undefined,
    ...(spec.stepped ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
    points: { show: true, size: 4, filter: alone },
  };
}

/** Points are drawn only where there is no line to see: a second with a value between two without. */
function alone(plot: uPlot, index: number): number[] {
  const values = plot.data[index] ?? [];
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  }
  return found;
}

function drawnBy(spec: ChartSpec, store: RunStore): uPlot.Plugin {
  return {
    hooks: {
      drawClear: (plot) => spec.below?.(plot),
      draw: (plot) => spec.draw?.(plot, store.timeline),
    },
  };
}
