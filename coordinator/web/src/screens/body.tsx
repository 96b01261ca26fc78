/** The order of everything below the figures. On a wide screen what one glances at stands beside the charts. */
import { AgentsPanel } from "../panels/agents";
import { Charts } from "../panels/charts";
import { CuesPanel } from "../panels/cues";
import { EventsPanel } from "../panels/events";
import { ChecksPanel, FindingsPanel, ThresholdsPanel } from "../panels/judgement";
import { ScalerPanel } from "../panels/scaler";
import { CallsPanel, ErrorsPanel, SocketsPanel } from "../panels/tables";
import { isOver, type RunStore, useRun } from "../model/store";

export function RunBody({ store }: { store: RunStore }) {
  const over = useRun(store, isOver);
  return (
    <>
      {over && <FindingsPanel store={store} />}
      <div class="columns">
        <div class="main-column">
          <Charts store={store} />
        </div>
        <aside class="side-column" aria-label="Cues, thresholds and events">
          <CuesPanel store={store} />
          <ThresholdsPanel store={store} />
          {!over && <FindingsPanel store={store} />}
          <EventsPanel store={store} />
        </aside>
      </div>
      <ScalerPanel store={store} />
      <div class="tables">
        <div>
          <CallsPanel store={store} />
          <AgentsPanel store={store} />
        </div>
        <div>
          <ErrorsPanel store={store} />
          <SocketsPanel store={store} />
          <ChecksPanel store={store} />
        </div>
      </div>
    </>
  );
}
