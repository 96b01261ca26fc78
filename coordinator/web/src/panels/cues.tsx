/** Every cue and its firings: who heard it, of whom, and how late. */
import type { CueNow, FiringNow } from "../api/types";
import { clock, count, duration, percent, share } from "../model/format";
import { type RunStore, useRun } from "../model/store";
import { Mark } from "../ui/mark";
import { Nothing, Panel } from "../ui/panel";

export function CuesPanel({ store }: { store: RunStore }) {
  const cues = useRun(store, (run) => run.cues);
  return (
    <Panel id="cues" title="Cues">
      {cues.length === 0 && <Nothing>The plan has no cue.</Nothing>}
      {cues.map((cue) => (
        <Cue key={cue.name} cue={cue} />
      ))}
    </Panel>
  );
}

function Cue({ cue }: { cue: CueNow }) {
  return (
    <div class="cue-block">
      <h3>
        {cue.name} <small>{cue.when}</small>
      </h3>
      {cue.firings.length === 0 && <Nothing>Not fired.</Nothing>}
      {cue.firings.map((firing, index) => <Firing key={firing.firing} firing={firing} number={index + 1} />).reverse()}
    </div>
  );
}

/** `number` is which firing of its cue it is, from 1, as its function saw it. */
function Firing({ firing, number }: { firing: FiringNow; number: number }) {
  const reach = share(firing.heard, firing.live);
  const delays: [string, number | null][] = [
    ["first", firing.first],
    ["p50", firing.p50],
    ["p99", firing.p99],
    ["last", firing.last],
  ];
  return (
    <div class="firing" data-testid={`firing-${firing.firing}`}>
      <p class="firing-head">
        <b>#{number}</b> at {clock(firing.at_s)} by {firing.by} <Mark kind={firing.state} />{" "}
        <small title="how far the clocks of agents may be off">clock ± {duration(firing.clock_bound_s)}</small>
      </p>
      <meter min={0} max={1} value={reach ?? 0} aria-label="reach" />
      <dl class="facts">
        <div>
          <dt title="heard, of users that had arrived and not left">reach</dt>
          <dd data-testid={`reach-${firing.firing}`}>{percent(reach)}</dd>
        </div>
        <div>
          <dt title="heard, of users connected with a handler at that instant">delivery</dt>
          <dd>{percent(share(firing.heard, firing.connected))}</dd>
        </div>
        <div>
          <dt>heard</dt>
          <dd>
            {count(firing.heard)} / {count(firing.live)}
          </dd>
        </div>
        {firing.duplicates > 0 && (
          <div>
            <dt>heard twice</dt>
            <dd>{count(firing.duplicates)}</dd>
          </div>
        )}
      </dl>
      <dl class="facts">
        {delays.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{duration(value)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
