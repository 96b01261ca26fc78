/** A chart as a component: a figure with its title, its legend and what stands beside the title. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { RunStore } from "../model/store";
import { Chart } from "./chart";
import type { ChartSpec } from "./spec";

interface Props {
  store: RunStore;
  spec: ChartSpec;
  /** Controls of this chart alone. */
  children?: ComponentChildren;
  wide?: boolean;
  /** What stands below the plot, on the same time axis. */
  below?: ComponentChildren;
  /** As high as the room that it gets. */
  fill?: boolean;
}

export function ChartView({ store, spec, children, below, wide, fill }: Props) {
  const plot = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  const when = useRef<HTMLElement>(null);
  const chart = useRef<Chart | undefined>(undefined);
  const [log, setLog] = useState(spec.log === true);

  useEffect(() => {
    const made = new Chart(
      { plot: plot.current!, legend: legend.current!, when: when.current! },
      store,
      spec,
      spec.log === true,
    );
    chart.current = made;
    return () => made.destroy();
  }, [store]);

  useEffect(() => {
    const made = chart.current;
    if (!made || (made.spec === spec && made.log === log)) return;
    made.spec = spec;
    made.log = log;
    made.rebuild();
  }, [spec, log]);

  return (
    <figure
      class={`panel chart ${wide ? "wide" : ""} ${fill ? "fill" : ""}`}
      id={`chart-${spec.id}`}
      data-testid={`chart-${spec.id}`}
    >
      <figcaption>
        <h2 title={spec.hint}>{spec.title}</h2>
        <small ref={when} aria-hidden="true" />
        {children}
        {spec.log && !spec.draw && (
          <button
            type="button"
            class="quiet small"
            aria-pressed={log}
            onClick={() => setLog(!log)}
            title="Logarithmic axis"
          >
            log
          </button>
        )}
      </figcaption>
      <div class="plot" ref={plot} role="img" aria-label={spec.title} />
      {below}
      <ul class="legend" ref={legend} aria-label={`${spec.title}: values`} />
    </figure>
  );
}
