/** The head of a run: what it is, in which state, how far along, and how it was judged. */
import type { RunNow } from "../api/types";
import { clock } from "../model/format";
import { type RunStore, useRun } from "../model/store";
import { isStopped } from "../model/stopped";
import { Mark } from "../ui/mark";

export function RunTitle({ store }: { store: RunStore }) {
  const { scenario, environment, id } = useRun(store, ({ scenario, environment, id }) => ({
    scenario,
    environment,
    id,
  }));
  return (
    <div class="title">
      <h1>{scenario || "…"}</h1>
      <span class="environment" title="environment">
        {environment}
      </span>
      <code class="run-id" title="run">
        {id}
      </code>
    </div>
  );
}

export function RunProgress({ store }: { store: RunStore }) {
  const run = useRun(store, ({ state, paused, now_s, ends_s, verdict, findings }) => ({
    state,
    paused,
    now_s,
    ends_s,
    verdict,
    stopped: isStopped(findings),
  }));
  const kind = run.paused && run.state === "running" ? "paused" : run.state;
  return (
    <div class="state">
      <Mark kind={kind} testid="state">
        {kind}
      </Mark>
      <span class="run-time">
        <b data-testid="run-time">{clock(run.now_s)}</b> / {ending(run)}
      </span>
      {run.now_s !== null && run.ends_s !== null && (
        <progress max={Math.max(run.ends_s, 1)} value={Math.max(0, run.now_s)} aria-label="run time of planned end" />
      )}
      {run.verdict && (
        <span class={`verdict ${run.verdict}`}>
          <Mark kind={run.verdict} testid="verdict" />
          {run.stopped && " until it was stopped"}
        </span>
      )}
    </div>
  );
}

function ending({ ends_s, paused }: Pick<RunNow, "ends_s" | "paused">): string {
  if (ends_s !== null) return clock(ends_s);
  return paused ? "end moves while paused" : "ends when users have left";
}
