/** Supply against demand, what the scaler goes by, and what follows, on one time axis; or why there is nothing to show. */
import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import type { ScalerBand, ScalerFinding } from "../api/types";
import { metricChart, supplyChart } from "../charts/scaler";
import { ChartView } from "../charts/view";
import { UNKNOWN, clock, percent } from "../model/format";
import { type Span, spans } from "../model/scaler";
import { type RunStore, useStore } from "../model/store";
import { Mark } from "../ui/mark";

/** No finding is drawn narrower than this share of the width, so that its name can be read. */
const least = () => (innerWidth < 760 ? 0.36 : 0.14);

export function SupplyPanel({ store }: { store: RunStore }) {
  const { scaler } = store;
  const observed = useStore(store, () => scaler.picture !== null);
  const metrics = useStore(store, () => scaler.metrics);
  const spec = useMemo(() => supplyChart(scaler), [scaler]);
  if (!observed) return <NotObserved />;
  return (
    <div class="scaler wide" data-testid="scaler">
      <ChartView store={store} spec={spec} below={<Findings store={store} />}>
        <ScalerWords store={store} />
      </ChartView>
      {metrics.map((name) => (
        <MetricView key={name} store={store} name={name} />
      ))}
    </div>
  );
}

/** It says why it is empty instead of showing a line at zero. */
const NotObserved = () => (
  <section class="panel chart empty" data-testid="chart-supply" aria-label="Supply and demand">
    <h2>Supply and demand</h2>
    <p class="nothing">
      Autoscaler: not observed.
      <br />
      The environment names no observer, so nothing is said about how it followed the load.
    </p>
  </section>
);

function MetricView({ store, name }: { store: RunStore; name: string }) {
  const spec = useMemo(() => metricChart(store.scaler, name), [store, name]);
  const band = useStore(store, () => store.scaler.picture?.bands.find((band) => band.metric === name));
  return (
    <ChartView store={store} spec={spec}>
      {band && <small class="kept">{keptText(band)}</small>}
    </ChartView>
  );
}

function keptText({ lo, hi, share }: ScalerBand): string {
  const kept = share === null ? UNKNOWN : percent(share);
  return `band ${lo}–${hi}, kept ${kept} of the time that counts`;
}

/** In a word or two, how it does. */
export function ScalerWords({ store }: { store: RunStore }) {
  const findings = useStore(store, () => store.scaler.picture?.findings ?? []);
  const named = (weight: ScalerFinding["weight"]) => [
    ...new Set(findings.filter((finding) => finding.weight === weight).map(({ kind }) => kindWords(kind))),
  ];
  const [failed, doubted] = [named("fail"), named("doubt")];
  return (
    <span class="words" data-testid="scaler-words">
      {failed.length > 0 && <Mark kind="fail">{failed.join(", ")}</Mark>}
      {doubted.length > 0 && <Mark kind="inconclusive">{`in doubt: ${doubted.join(", ")}`}</Mark>}
      {failed.length + doubted.length === 0 && <Mark kind="good">nothing is held against it</Mark>}
    </span>
  );
}

const kindWords = (kind: string) => kind.replaceAll("_", " ");

/** A bar for each finding where it happened; the one that is pointed at or pressed says its sentence. */
function Findings({ store }: { store: RunStore }) {
  const [, redraw] = useReducer((n: number, _: null) => n + 1, 0);
  const [pressed, press] = useState<number | null>(null);
  const [pointed, point] = useState<number | null>(null);
  useEffect(() => store.viewport.onChange(() => redraw(null)), [store]);
  const findings = useStore(store, () => store.scaler.picture?.findings ?? []);
  const end = useStore(store, () => store.timeline.end);
  if (findings.length === 0) return null;
  const bars = spans(findings, store.viewport.range(end), least());
  const rows = 1 + Math.max(-1, ...bars.map((bar) => bar.row));
  const told = findings[pointed ?? pressed ?? -1];
  const toggle = (bar: Span) => {
    const next = pressed === bar.index ? null : bar.index;
    press(next);
    store.viewport.shade(next === null ? null : [bar.finding.from_s, bar.finding.to_s]);
  };
  return (
    <div class="spans">
      <div class="rows" style={{ height: `${rows * 24}px` }}>
        {bars.map((bar) => (
          <button
            type="button"
            key={bar.index}
            class={bar.finding.weight}
            style={{ top: `${bar.row * 24}px`, left: `${bar.left * 100}%`, width: `${bar.width * 100}%` }}
            aria-pressed={pressed === bar.index}
            aria-label={sentence(bar.finding)}
            data-testid={`span-${bar.finding.kind}`}
            onClick={() => toggle(bar)}
            onMouseEnter={() => point(bar.index)}
            onMouseLeave={() => point(null)}
            onFocus={() => point(bar.index)}
            onBlur={() => point(null)}
          >
            <span aria-hidden="true">
              {SYMBOLS[bar.finding.weight]} {kindWords(bar.finding.kind)}
            </span>
          </button>
        ))}
      </div>
      <p class="told" role="status" data-testid="span-told">
        {told ? sentence(told) : "Point at a finding, or press it, to read it."}
      </p>
    </div>
  );
}

const SYMBOLS: Record<ScalerFinding["weight"], string> = { fail: "✗", doubt: "?", tell: "·" };

const sentence = ({ kind, text, from_s, to_s }: ScalerFinding) =>
  `${kindWords(kind)}, ${clock(from_s)} – ${clock(to_s)}: ${text}`;
