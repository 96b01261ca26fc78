/** One live chart: a uPlot, its legend that tells the values in text, and what makes both draw again, no more often than needed. */
import uPlot from "uplot";
import { clock } from "../model/format";
import { isOver, type RunStore } from "../model/store";
import { onThemeChange } from "./colour";
import { type Size, options } from "./options";
import type { ChartSpec, SeriesSpec } from "./spec";

/** Seconds at the very end that are left out while a run goes on: agents have hardly begun to tell of them. */
const YOUNGEST = 2;

/** Where a chart puts itself, its values, and of when they are. */
export interface ChartHosts {
  plot: HTMLElement;
  legend: HTMLElement;
  when: HTMLElement;
}

export class Chart {
  #plot: uPlot | undefined;
  #series: SeriesSpec[] = [];
  #hidden = new Map<string, boolean>();
  #labels: HTMLElement[] = [];
  #from = 0;
  #drawn = "";
  #visible = true;
  #frame = 0;
  #ends: (() => void)[] = [];

  constructor(
    readonly hosts: ChartHosts,
    readonly store: RunStore,
    public spec: ChartSpec,
    public log: boolean,
  ) {
    const resize = new ResizeObserver(() => this.#plot?.setSize(this.#size()));
    resize.observe(hosts.plot);
    const sight = new IntersectionObserver((entries) => {
      this.#visible = entries.some((entry) => entry.isIntersecting);
      this.#schedule();
    });
    sight.observe(hosts.plot);
    this.#ends = [
      () => resize.disconnect(),
      () => sight.disconnect(),
      onThemeChange(() => this.rebuild()),
      store.onChange(() => this.#schedule()),
      store.viewport.onChange(() => {
        this.#drawn = "";
        this.#schedule();
      }),
    ];
    this.#draw();
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#ends) end();
    this.#plot?.destroy();
  }

  /** Makes the plot anew, for other colours, series or scales. */
  rebuild() {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#drawn = "";
    this.#draw();
  }

  /** Several changes before the next frame are one drawing; a chart out of sight is drawn when it comes into sight. */
  #schedule() {
    if (this.#frame || !this.#visible) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { timeline, run, scaler } = this.store;
    const state = `${timeline.version} ${scaler.version} ${timeline.settled} ${run.cues.length} ${isOver(run)}`;
    if (this.#plot && state === this.#drawn) return;
    this.#drawn = state;
    const series = this.spec.series(timeline, run);
    if (this.#plot && series.map((s) => s.label).join() !== this.#series.map((s) => s.label).join()) {
      this.#plot.destroy();
      this.#plot = undefined;
    }
    this.#series = series.map((s) => ({ ...s, hidden: this.#hidden.get(s.label) ?? s.hidden }));
    const data = this.#data();
    if (this.#plot) this.#plot.setData(data);
    else this.#create(data);
    this.#tellValues(null);
  }

  #data(): uPlot.AlignedData {
    const { timeline, run, viewport } = this.store;
    const [low, high] = viewport.range(timeline.end);
    const told = isOver(run)
      ? timeline.end
      : Math.min(timeline.end, Math.max(timeline.settled + 1, timeline.end - YOUNGEST));
    this.#from = Math.max(0, Math.floor(low) - 1);
    const to = Math.max(this.#from, Math.min(told, Math.ceil(high) + 2));
    const seconds = Array.from({ length: to - this.#from }, (_, i) => this.#from + i);
    return [seconds, ...this.#series.map((s) => s.values(this.#from, to))] as uPlot.AlignedData;
  }

  #create(data: uPlot.AlignedData) {
    const onCursor = (index: number | null, plot: uPlot) => this.#tellValues(index, plot);
    this.#plot = new uPlot(
      options(this.store, this.spec, this.#series, this.log, this.#size(), { onCursor }),
      data,
      this.hosts.plot,
    );
    this.#labels = this.spec.describe ? [this.#plainLabel()] : this.#series.map((s, i) => this.#seriesLabel(s, i));
    this.hosts.legend.replaceChildren(...this.#labels.map((label) => label.closest("li")!));
  }

  /** A button that shows and hides a series, with its value. */
  #seriesLabel(series: SeriesSpec, index: number): HTMLElement {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const value = document.createElement("b");
    const swatch = document.createElement("i");
    swatch.style.setProperty("--swatch", `var(${series.colour})`);
    if (series.dash) swatch.className = "dashed";
    button.type = "button";
    button.setAttribute("aria-pressed", String(!series.hidden));
    button.append(swatch, ` ${series.label} `, value);
    button.addEventListener("click", () => {
      const show = button.getAttribute("aria-pressed") !== "true";
      this.#hidden.set(series.label, !show);
      button.setAttribute("aria-pressed", String(show));
      this.#plot?.setSeries(index + 1, { show });
    });
    item.append(button);
    return value;
  }

  #plainLabel(): HTMLElement {
    const value = document.createElement("b");
    document.createElement("li").append(value);
    return value;
  }

  /** Writes the values under the cursor, or the newest ones, where people and screen readers find them. */
  #tellValues(index: number | null, plot = this.#plot) {
    if (!plot) return;
    const at = index ?? plot.data[0].length - 1;
    const second = plot.data[0][at];
    const peaks = index === null && isOver(this.store.run) && !this.spec.describe;
    const when = second === undefined ? "no data yet" : peaks ? "highest in view" : clock(second);
    const values = this.#series.map((_, i) => (peaks ? highest(plot.data[i + 1]) : (plot.data[i + 1]?.[at] ?? null)));
    const texts = this.spec.describe
      ? [second === undefined ? "" : this.spec.describe(this.store.timeline, second, this.#pointed(plot))]
      : values.map((value, i) => (this.#series[i]!.format ?? this.spec.format)(value));
    this.#labels.forEach((label, i) => {
      label.textContent = texts[i] ?? "";
    });
    const note = second === undefined || index === null ? "" : (this.spec.note?.(second) ?? "");
    this.hosts.when.textContent = index === null && !peaks ? "" : [when, note].filter(Boolean).join(" · ");
    if (index !== null) return;
    const told = this.spec.describe ? texts : this.#series.map((s, i) => `${s.label} ${texts[i]}`);
    this.hosts.plot.setAttribute("aria-label", `${this.spec.title}, ${when}: ${told.join(", ")}`);
  }

  #pointed(plot: uPlot): number | null {
    // In the other charts the cursor stands at the same second, and its height says nothing.
    if (!plot.over.matches(":hover")) return null;
    const { top, left } = plot.cursor;
    return top === undefined || left === undefined || top < 0 || left < 0 ? null : plot.posToVal(top, "y");
  }

  #size(): Size {
    const { clientWidth, clientHeight } = this.hosts.plot;
    const height = this.hosts.plot.closest(".fill") ? Math.max(100, clientHeight) : (this.spec.height ?? 170);
    return { width: Math.max(120, clientWidth), height };
  }
}

/** Of a run that is over, the last second says little; its highest values do. */
function highest(values: ArrayLike<number | null | undefined> | undefined): number | null {
  let most: number | null = null;
  for (let i = 0; i < (values?.length ?? 0); i++) {
    const value = values![i];
    if (value != null && (most === null || value > most)) most = value;
  }
  return most;
}
