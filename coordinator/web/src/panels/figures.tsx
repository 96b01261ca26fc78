/** The figures that people ask for first. They are shared by the dashboard's tiles, the wall and the report. */
import type { RunNow } from "../api/types";
import { clock, count, duration, percent, share } from "../model/format";
import { isOver, type RunStore, useStore } from "../model/store";
import type { Timeline } from "../model/timeline";

export interface Figure {
  id: string;
  label: string;
  value: string;
  note: string;
  tone?: string;
}

/** All of them, as text. While the run goes on, rates are of the last settled second; afterwards over the whole run. */
export function figures(run: RunNow, timeline: Timeline): Figure[] {
  return [users(run), ...(isOver(run) ? totals(run) : rates(timeline)), errors(run, timeline), reach(run)];
}

function users({ users, state }: RunNow): Figure {
  const ended = state === "judged" || state === "failed" || state === "cancelled";
  const note = `of ${count(users.planned)} planned · ${count(users.finished)} finished`;
  if (ended)
    return {
      id: "live-users",
      label: "Users finished",
      value: count(users.finished),
      note: `of ${count(users.planned)} planned`,
    };
  return { id: "live-users", label: "Users live", value: count(users.live), note };
}

function rates(timeline: Timeline): Figure[] {
  const now = timeline.current();
  const at = (value: string) =>
    now ? `${value} ${clock(now.second)}${now.partial ? ", incomplete" : ""}` : "no data yet";
  const value = (field: "n" | "p50" | "p99") => (now ? timeline.response[field].get(now.second) : null);
  return [
    { id: "requests-rate", label: "Requests per second", value: count(value("n")), note: at("answered in second") },
    {
      id: "response-p99",
      label: "Response p99",
      value: duration(value("p99")),
      note: now ? `p50 ${duration(value("p50"))} · ${at("in")}` : "no data yet",
    },
  ];
}

function totals(run: RunNow): Figure[] {
  const answered = run.calls.reduce((sum, call) => sum + call.answered, 0);
  const slowest = [...run.calls].filter((call) => call.p99 !== null).sort((a, b) => b.p99! - a.p99!)[0];
  return [
    {
      id: "requests-rate",
      label: "Calls answered",
      value: count(answered),
      note: `of ${count(run.calls.reduce((sum, call) => sum + call.begun, 0))} begun`,
    },
    {
      id: "response-p99",
      label: "Slowest p99",
      value: duration(slowest?.p99),
      note: slowest?.name ?? "no call was answered",
    },
  ];
}

function errors(run: RunNow, timeline: Timeline): Figure {
  const all = run.errors.reduce((sum, error) => sum + error.count, 0);
  const now = timeline.current();
  const rate = now
    ? timeline.errors.names.reduce((sum, name) => sum + (timeline.errors.get(name).get(now.second) ?? 0), 0)
    : null;
  const worst = [...run.errors].sort((a, b) => b.count - a.count)[0];
  const note = isOver(run) ? (worst?.kind ?? "none") : `${count(rate)} per second${worst ? ` · ${worst.kind}` : ""}`;
  return { id: "errors-total", label: "Errors", value: count(all), note, tone: all > 0 ? "bad" : undefined };
}

/** Of the latest firing. */
function reach({ cues }: RunNow): Figure {
  const firings = cues.flatMap((cue) => cue.firings.map((firing) => ({ cue: cue.name, ...firing })));
  const latest = firings.sort((a, b) => a.at_s - b.at_s || a.firing - b.firing).pop();
  if (!latest)
    return {
      id: "cue-reach",
      label: "Cue reach",
      value: "–",
      note: cues.length > 0 ? "nothing fired yet" : "the plan has no cue",
    };
  return {
    id: "cue-reach",
    label: `Reach of ${latest.cue}`,
    value: percent(share(latest.heard, latest.live)),
    note: `${count(latest.heard)} of ${count(latest.live)} · p99 ${duration(latest.p99)}`,
  };
}

export function Figures({ store, wall }: { store: RunStore; wall?: boolean }) {
  const shown = useStore(store, () => figures(store.run, store.timeline));
  return (
    <dl class={wall ? "figures wall-figures" : "figures"}>
      {shown.map(({ id, label, value, note, tone }) => (
        <div key={id} class={`figure ${tone ?? ""}`}>
          <dt>{label}</dt>
          <dd class="value" data-testid={wall ? `wall-${id}` : id}>
            {value}
          </dd>
          <dd class="note">{note}</dd>
        </div>
      ))}
    </dl>
  );
}
