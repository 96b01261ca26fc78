/** What speaks for and against the system: thresholds with their values, checks, and the findings with their evidence. */
import { count, clock, percent, share } from "../model/format";
import { type RunStore, isOver, useRun } from "../model/store";
import { Heads } from "../ui/heads";
import { Mark } from "../ui/mark";
import { Nothing, Panel } from "../ui/panel";

export function ThresholdsPanel({ store }: { store: RunStore }) {
  const thresholds = useRun(store, (run) => run.thresholds);
  const over = useRun(store, isOver);
  return (
    <Panel
      id="thresholds"
      title="Thresholds"
      aside={over || thresholds.length === 0 ? undefined : "as it would come out now"}
    >
      {thresholds.length === 0 && <Nothing>The plan has no threshold.</Nothing>}
      <ul class="thresholds">
        {thresholds.map((threshold) => (
          <li key={threshold.text} data-outcome={threshold.outcome}>
            <Mark kind={threshold.outcome} />
            <code>{threshold.text}</code>
            <b>{threshold.shown ?? "–"}</b>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export function ChecksPanel({ store }: { store: RunStore }) {
  const checks = useRun(store, (run) => run.checks);
  if (checks.length === 0) return null;
  return (
    <Panel id="checks" title="Checks">
      <div class="scroll" tabIndex={0} role="group" aria-label="Checks">
        <table>
          <Heads of={["check", "passed", "failed", "share"]} />
          <tbody>
            {checks.map(({ name, passed, failed }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{count(passed)}</td>
                <td class={failed > 0 ? "bad" : ""}>{count(failed)}</td>
                <td>{percent(share(passed, passed + failed))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

/** Each leads to its place in the charts. */
export function FindingsPanel({ store }: { store: RunStore }) {
  const findings = useRun(store, (run) => run.findings);
  const over = useRun(store, isOver);
  if (findings.length === 0 && !over) return null;
  const show = (from: number, to: number) => {
    store.viewport.point(from, to);
    document.getElementById("chart-users")?.scrollIntoView({ block: "start" });
  };
  return (
    <Panel id="findings" title="Findings">
      {findings.length === 0 && <Nothing>Nothing stood out.</Nothing>}
      <ul class="findings">
        {findings.map((finding, index) => (
          <li key={index} class={finding.severity}>
            <Mark kind={finding.severity} />
            <div>
              <b>{finding.subject}</b>
              <p>{finding.text}</p>
            </div>
            <button
              type="button"
              class="quiet small"
              data-testid={`finding-${index}`}
              onClick={() => show(finding.from_s, finding.to_s)}
              title="Show it in the charts"
            >
              {clock(finding.from_s)} – {clock(finding.to_s)} <span aria-hidden="true">↓</span>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
