/** All charts, and the one time range that they share. */
import { useMemo, useReducer, useState, useEffect } from "preact/hooks";
import {
  arrivalsChart,
  errorsChart,
  generatorChart,
  heatChart,
  requestsChart,
  responseChart,
  socketsChart,
  usersChart,
} from "../charts/specs";
import { ChartView } from "../charts/view";
import { clock } from "../model/format";
import { type RunStore, useRun, useStore } from "../model/store";
import { FOLLOWS, type Follow } from "../model/viewport";
import { SupplyPanel } from "./supply";

export function Charts({ store }: { store: RunStore }) {
  const failing = useRun(store, (run) => run.errors.length > 0);
  const scaled = useStore(store, () => store.scaler.picture !== null);
  return (
    <>
      <RangeBar store={store} />
      <div class="charts">
        <ChartView store={store} spec={usersChart} />
        <ChartView store={store} spec={requestsChart} />
        {scaled && <SupplyPanel store={store} />}
        <ResponseChart store={store} />
        <ChartView store={store} spec={heatChart} />
        <ChartView store={store} spec={arrivalsChart} />
        {failing ? <ChartView store={store} spec={errorsChart} /> : <NoErrors />}
        <ChartView store={store} spec={socketsChart} />
        {!scaled && <SupplyPanel store={store} />}
        <ChartView store={store} spec={generatorChart} wide={!scaled} />
      </div>
    </>
  );
}

const NoErrors = () => (
  <section class="panel chart empty" data-testid="chart-errors" id="chart-errors" aria-label="Errors per second">
    <h2>Errors per second</h2>
    <p class="nothing">No errors so far.</p>
  </section>
);

function ResponseChart({ store }: { store: RunStore }) {
  const [name, setName] = useState<string | null>(null);
  const names = useStore(store, () => store.timeline.callNames);
  const spec = useMemo(() => responseChart(name), [name]);
  return (
    <ChartView store={store} spec={spec}>
      <select
        aria-label="Response time of"
        data-testid="response-name"
        value={name ?? ""}
        onChange={(event) => setName(event.currentTarget.value || null)}
      >
        <option value="">all calls</option>
        {names.map((known) => (
          <option key={known} value={known}>
            {known}
          </option>
        ))}
      </select>
    </ChartView>
  );
}

const FOLLOW_LABELS = new Map<Follow, string>([
  [1, "1 min"],
  [5, "5 min"],
  [null, "all"],
]);

export function RangeBar({ store }: { store: RunStore }) {
  const [, redraw] = useReducer((n: number, _: null) => n + 1, 0);
  const { viewport } = store;
  useEffect(() => viewport.onChange(() => redraw(null)), [viewport]);
  return (
    <div class="range" role="group" aria-label="Time range of all charts">
      {FOLLOWS.map((follow) => (
        <button
          type="button"
          class="quiet small"
          key={follow}
          data-testid={`follow-${follow ?? "all"}`}
          aria-pressed={viewport.zoom === null && viewport.follow === follow}
          onClick={() => viewport.reset(follow)}
        >
          {FOLLOW_LABELS.get(follow)}
        </button>
      ))}
      {viewport.zoom ? (
        <span class="zoomed">
          {clock(viewport.zoom[0])} – {clock(viewport.zoom[1])}{" "}
          <button type="button" class="small" data-testid="zoom-reset" onClick={() => viewport.reset()}>
            show all
          </button>
        </span>
      ) : (
        <span class="hint">drag to zoom, double click to go back</span>
      )}
    </div>
  );
}
