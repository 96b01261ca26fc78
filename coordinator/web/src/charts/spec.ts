/** What a chart shows, apart from how it is drawn. */
import type uPlot from "uplot";
import type { RunNow } from "../api/types";
import type { Timeline } from "../model/timeline";

export interface SeriesSpec {
  label: string;
  /** The custom property that holds its colour. */
  colour: string;
  values(from: number, to: number): (number | null)[];
  dash?: boolean;
  fill?: boolean;
  width?: number;
  /** Shown only when someone asks for it. */
  hidden?: boolean;
  /** Each value holds until the next. */
  stepped?: boolean;
  /** A value for the legend, where it has another unit than the chart. */
  format?(value: number | null): string;
}

export interface ChartSpec {
  /** Part of test ids and anchors. */
  id: string;
  title: string;
  /** What one sees here, in a sentence. */
  hint: string;
  series(timeline: Timeline, run: RunNow): SeriesSpec[];
  /** A value with its unit, for the legend; `axis` is for the axis. */
  format(value: number | null): string;
  axis(value: number): string;
  height?: number;
  log?: boolean;
  /** Bounds of the vertical axis where the data does not decide them. */
  range?(timeline: Timeline, from: number, to: number): [number, number];
  /** Draws over the lines, or instead of them; a chart without lines has one empty series. */
  draw?(plot: uPlot, timeline: Timeline): void;
  /** Draws below the lines. */
  below?(plot: uPlot): void;
  /** What there is to say of a second beside its values. */
  note?(second: number): string;
  /** What the legend says of a point, for charts that draw themselves. */
  describe?(timeline: Timeline, second: number, value: number | null): string;
  hideAxis?: boolean;
  /** The vertical axis counts something. */
  wholeNumbers?: boolean;
}
