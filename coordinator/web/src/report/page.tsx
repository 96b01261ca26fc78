/** The report: verdict and findings first, then the evidence, then what could not be measured. */
import { AgentsPanel } from "../panels/agents";
import { Charts } from "../panels/charts";
import { CuesPanel } from "../panels/cues";
import { EventsPanel } from "../panels/events";
import { Figures } from "../panels/figures";
import { ScalerPanel } from "../panels/scaler";
import { ChecksPanel, FindingsPanel, ThresholdsPanel } from "../panels/judgement";
import { CallsPanel, ErrorsPanel, SocketsPanel } from "../panels/tables";
import type { RunStore } from "../model/store";
import { Mark } from "../ui/mark";
import { Panel } from "../ui/panel";
import { ThemeButton, useTheme } from "../ui/theme";
import { plural } from "../model/format";
import { isStopped } from "../model/stopped";
import type { Summary } from "./data";
import { GeneratorPanel, ObservedAgentsPanel, UsersPanel } from "./panels";
import { lengthOf, unmeasured } from "./unmeasured";

export function ReportPage({ store, report }: { store: RunStore; report: Summary }) {
  return (
    <main>
      <Cover store={store} report={report} />
      <FindingsPanel store={store} />
      <ThresholdsPanel store={store} />
      <Figures store={store} />
      <Charts store={store} />
      <ScalerPanel store={store} />
      <div class="two-panels">
        <CuesPanel store={store} />
        <UsersPanel run={store.run} />
      </div>
      <CallsPanel store={store} />
      <ErrorsPanel store={store} />
      <div class="two-panels">
        <ChecksPanel store={store} />
        <SocketsPanel store={store} />
      </div>
      <Unmeasured store={store} report={report} />
      <GeneratorPanel report={report} run={store.run} />
      <AgentsPanel store={store} />
      <ObservedAgentsPanel agents={report.agents ?? []} />
      <EventsPanel store={store} />
    </main>
  );
}

function Cover({ store, report }: { store: RunStore; report: Summary }) {
  const verdict = report.verdict ?? store.run.verdict;
  const { users } = store.run;
  const theme = useTheme();
  const failing = store.run.thresholds.filter((threshold) => threshold.outcome === "fail").length;
  return (
    <header class="cover">
      <div class="cover-top">
        <h1>
          {report.scenario} <span class="environment">{report.environment}</span>
        </h1>
        <nav class="tools" aria-label="View">
          <ThemeButton {...theme} />
        </nav>
      </div>
      <p class="meta">
        <code>{report.run_id}</code>
        <span>{report.started_at ? `started ${report.started_at}` : "never started"}</span>
        <span>{lengthOf(report)}</span>
        <span>
          {plural(users.planned, "user")} on {plural(store.run.agents.length, "agent")}
        </span>
      </p>
      <div class={`outcome ${verdict ?? "unjudged"}`}>
        {verdict ? (
          <Mark kind={verdict} testid="verdict" />
        ) : (
          <span class="mark warn" data-testid="verdict">
            ? not judged
          </span>
        )}
        <span>
          {isStopped(store.run.findings) && "until it was stopped by the operator · "}
          {store.run.thresholds.length === 0
            ? "no thresholds"
            : `${failing} of ${plural(store.run.thresholds.length, "threshold")} failed`}
          , {plural(store.run.findings.length, "finding")}
        </span>
      </div>
    </header>
  );
}

function Unmeasured({ store, report }: { store: RunStore; report: Summary }) {
  const gaps = unmeasured(report, store.run);
  return (
    <Panel id="unmeasured" title="What could not be measured">
      {gaps.length === 0 && <p class="nothing">Nothing: every second of every agent is in these numbers.</p>}
      <ul class="unmeasured">
        {gaps.map((gap) => (
          <li key={gap.what}>
            <b>{gap.what}</b>: {gap.why}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
