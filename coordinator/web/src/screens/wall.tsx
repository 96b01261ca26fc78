/** Big figures for a screen that hangs across the room. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { supplyChart } from "../charts/scaler";
import { usersChart } from "../charts/specs";
import { ChartView } from "../charts/view";
import { Figures } from "../panels/figures";
import { ScalerWords } from "../panels/supply";
import { type RunStore, useRun, useStore } from "../model/store";
import { Mark } from "../ui/mark";
import { RunProgress, RunTitle } from "./head";

export function Wall({ store, sign, onLeave }: { store: RunStore; sign: ComponentChildren; onLeave: () => void }) {
  const broken = useRun(store, (run) =>
    run.thresholds.filter((threshold) => threshold.outcome === "fail").map((threshold) => threshold.text),
  );
  const scaled = useStore(store, () => store.scaler.picture !== null);
  const supply = useMemo(() => supplyChart(store.scaler), [store]);
  return (
    <main class="wall" data-testid="wall">
      <div class="wall-head">
        <RunTitle store={store} />
        <RunProgress store={store} />
        {sign}
        <button type="button" class="quiet" onClick={onLeave} data-testid="wall-leave">
          leave <kbd>w</kbd>
        </button>
      </div>
      <Figures store={store} wall />
      {broken.length > 0 && (
        <ul class="wall-thresholds">
          {broken.map((text) => (
            <li key={text}>
              <Mark kind="fail" /> <code>{text}</code>
            </li>
          ))}
        </ul>
      )}
      <div class="wall-charts">
        <ChartView store={store} spec={usersChart} fill />
        {scaled && (
          <ChartView store={store} spec={supply} fill>
            <ScalerWords store={store} />
          </ChartView>
        )}
      </div>
    </main>
  );
}
