/** The autoscaler in figures: how far supply was off, how steady it was, and what it did about each step of the load. */
import type { ScalerFigures, ScalerPicture, ScalerStep } from "../api/types";
import { UNKNOWN, clock, percent, short } from "../model/format";
import { type RunStore, isOver, useRun, useStore } from "../model/store";
import { Heads } from "../ui/heads";
import { Panel } from "../ui/panel";
import { ScalerWords } from "./supply";

export function ScalerPanel({ store }: { store: RunStore }) {
  const picture = useStore(store, () => store.scaler.picture);
  const over = useRun(store, isOver);
  if (picture === null) return null;
  return (
    <Panel id="scaler" title="Autoscaler" aside={over ? undefined : "as it would come out now"}>
      <p>
        <ScalerWords store={store} />
      </p>
      <p class="basis">{basis(picture)}</p>
      <div class="scaler-tables">
        <Accuracy of={picture} />
        <Steadiness of={picture} />
      </div>
      <Steps of={picture.steps} />
    </Panel>
  );
}

/** What the figures rest on. */
function basis({ capacity, bounds, observed_share }: ScalerPicture): string {
  const unit = capacity?.of === "requests" ? "requests/s" : "users";
  const { at_least, at_most } = bounds;
  return [
    capacity ? `${short(capacity.per_instance)} ${unit} per instance` : "nobody knows what one instance carries",
    ...(at_least === null && at_most === null
      ? []
      : [`allowed: ${at_least ?? "any"} to ${at_most ?? "any"} instances`]),
    observed_share === null ? "instances never seen" : `instances seen for ${ofAll(observed_share)} of the run`,
  ].join(" · ");
}

/** A figure that is in percent already. */
const ofAll = (figure: number | null) => percent(figure === null ? null : figure / 100);

function Accuracy({ of }: { of: ScalerFigures }) {
  const rows: [what: string, under: string, over: string][] = [
    ["instances, on average", short(of.under_accuracy), short(of.over_accuracy)],
    ["share of demand", ofAll(of.under_accuracy_relative), ofAll(of.over_accuracy_relative)],
    ["share of the time", ofAll(of.under_share), ofAll(of.over_share)],
  ];
  return (
    <table>
      <Heads of={["supply against demand", "short", "beyond"]} />
      <tbody>
        {rows.map(([what, under, over]) => (
          <tr key={what}>
            <th scope="row">{what}</th>
            <td>{under}</td>
            <td>{over}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Steadiness({ of }: { of: ScalerFigures }) {
  const tick = of.tick_s === null ? "" : `, at ticks of ${short(of.tick_s)} s`;
  const rows: [what: string, value: string][] = [
    ["jitter, instances per minute", short(of.jitter)],
    [`instability${tick}`, ofAll(of.instability)],
    ["reversals without reason", short(of.reversals)],
    ["errors while instances left", short(of.errors_while_draining)],
  ];
  return (
    <table>
      <Heads of={["steadiness", "value"]} />
      <tbody>
        {rows.map(([what, value]) => (
          <tr key={what}>
            <th scope="row">{what}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const HEADS = ["step of the load", "instances", "detection", "decision", "actuation", "readiness", "settling"];

function Steps({ of }: { of: ScalerStep[] }) {
  if (of.length === 0) return <p class="nothing">The load called neither for more instances nor for fewer.</p>;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Steps of the load">
      <table data-testid="scaler-steps">
        <Heads of={[...HEADS, "overshoot"]} />
        <tbody>
          {of.map((step) => (
            <tr key={step.at_s}>
              <th scope="row">
                {step.direction === "up" ? "↑" : "↓"} {step.direction} at {clock(step.at_s)}
                {step.rise_at_s > step.at_s ? ` (${clock(step.rise_at_s)})` : ""}
              </th>
              <td>
                {short(step.from)} → {short(step.to)}
              </td>
              {[step.detection_s, step.decision_s, step.actuation_s, step.readiness_s, step.settling_s].map(
                (time, i) => (
                  <td key={i}>{time === null ? UNKNOWN : `${time.toFixed(1)} s`}</td>
                ),
              )}
              <td>{short(step.overshoot)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
