/** What all charts draw beside their data: cues, commands, a marked stretch, and where numbers may still rise. */
import type uPlot from "uplot";
import { isOver, type RunStore } from "../model/store";
import { colour } from "./colour";

/** Shades the stretch that a finding is about, below the data. */
export function markPlugin(store: RunStore): uPlot.Plugin {
  return {
    hooks: {
      drawClear: (plot) => {
        const { mark } = store.viewport;
        if (!mark) return;
        const [left, right] = [
          plot.valToPos(mark[0], "x", true),
          plot.valToPos(Math.max(mark[1], mark[0] + 0.5), "x", true),
        ];
        clipped(plot, (context) => {
          context.fillStyle = colour("--mark");
          context.fillRect(left, plot.bbox.top, Math.max(2, right - left), plot.bbox.height);
        });
      },
    },
  };
}

/** Hatches the stretches that some agent never reported: what is drawn there is not the whole of it. */
export function unobservedPlugin(store: RunStore): uPlot.Plugin {
  return {
    hooks: {
      draw: (plot) =>
        clipped(plot, (context) => {
          context.strokeStyle = colour("--unobserved");
          context.lineWidth = devicePixelRatio;
          for (const { unobserved } of store.run.agents)
            for (const { from_s, to_s } of unobserved)
              hatch(plot, context, plot.valToPos(from_s, "x", true), plot.valToPos(to_s, "x", true));
        }),
    },
  };
}

/** Where two stretches overlap their lines fall on each other. */
export function hatch(plot: uPlot, context: CanvasRenderingContext2D, left: number, right: number) {
  const { top, height } = plot.bbox;
  const gap = 7 * devicePixelRatio;
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, height);
  context.clip();
  context.beginPath();
  for (let foot = Math.floor((left - height) / gap) * gap; foot < right; foot += gap) {
    context.moveTo(foot, top + height);
    context.lineTo(foot + height, top);
  }
  context.stroke();
  context.restore();
}

/** Covers what is not settled with a veil, so that nobody takes a number that still rises for a drop. */
export function unsettledPlugin(store: RunStore): uPlot.Plugin {
  return {
    hooks: {
      draw: (plot) => {
        const { timeline } = store;
        if (isOver(store.run) || timeline.settled + 1 >= timeline.end) return;
        const left = Math.max(plot.bbox.left, plot.valToPos(timeline.settled + 0.5, "x", true));
        const right = Math.min(plot.bbox.left + plot.bbox.width, plot.valToPos(timeline.end, "x", true));
        if (left >= right) return;
        const context = plot.ctx;
        context.save();
        context.globalAlpha = 0.62;
        context.fillStyle = colour("--panel");
        context.fillRect(left, plot.bbox.top, right - left, plot.bbox.height);
        context.restore();
      },
    },
  };
}

/** A line for each firing of a cue with its name, and a fainter one for each command of an operator. */
export function markerPlugin(store: RunStore, labels: boolean): uPlot.Plugin {
  return {
    hooks: {
      draw: (plot) =>
        clipped(plot, (context) => {
          const ratio = devicePixelRatio;
          context.lineWidth = ratio;
          context.strokeStyle = colour("--command");
          context.setLineDash([ratio, 3 * ratio]);
          for (const event of store.run.events) if (event.kind === "control") line(plot, context, event.at_s);
          context.setLineDash([4 * ratio, 3 * ratio]);
          context.strokeStyle = context.fillStyle = colour("--cue");
          context.font = `600 ${10 * ratio}px ${getComputedStyle(plot.root).fontFamily}`;
          context.textBaseline = "top";
          context.textAlign = "left";
          const rows = new LabelRows();
          for (const { name, at_s } of firings(store)) {
            const x = line(plot, context, at_s);
            if (x !== null && labels) label(plot, context, name, x, rows);
          }
        }),
    },
  };
}

function line(plot: uPlot, context: CanvasRenderingContext2D, second: number): number | null {
  const x = Math.round(plot.valToPos(second, "x", true));
  if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) return null;
  context.beginPath();
  context.moveTo(x, plot.bbox.top);
  context.lineTo(x, plot.bbox.top + plot.bbox.height);
  context.stroke();
  return x;
}

function firings(store: RunStore): { name: string; at_s: number }[] {
  return store.run.cues
    .flatMap(({ name, firings }) => firings.map(({ at_s }) => ({ name, at_s })))
    .sort((a, b) => a.at_s - b.at_s);
}

/** Puts labels that would cover each other one below the other. */
class LabelRows {
  #ends: number[] = [];

  row(from: number, to: number): number {
    const free = this.#ends.findIndex((end) => end < from);
    const row = free < 0 ? this.#ends.length : free;
    this.#ends[row] = to;
    return row;
  }
}

/** Beside its line, on the side where there is room. */
function label(plot: uPlot, context: CanvasRenderingContext2D, text: string, x: number, rows: LabelRows) {
  const room = 4 * devicePixelRatio;
  const width = context.measureText(text).width + 2 * room;
  const from = x + width < plot.bbox.left + plot.bbox.width ? x : x - width;
  const top = plot.bbox.top + (2 + 12 * rows.row(from, from + width)) * devicePixelRatio;
  context.fillText(text, from + room, top);
}

/** Paints within the plot alone. */
export function clipped(plot: uPlot, paint: (context: CanvasRenderingContext2D) => void) {
  const { left, top, width, height } = plot.bbox;
  const context = plot.ctx;
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  paint(context);
  context.restore();
}
