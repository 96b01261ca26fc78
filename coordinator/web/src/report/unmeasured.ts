/** What a run says nothing about: whoever reads a report has to know where it is blind. */
import type { RunNow } from "../api/types";
import { clock, count, plural } from "../model/format";
import type { Summary } from "./data";

export interface Gap {
  what: string;
  why: string;
}

export function unmeasured(report: Summary, run: RunNow): Gap[] {
  return [
    ...thresholds(run),
    ...users(run),
    ...spans(report),
    ...cues(run),
    ...autoscaler(report),
    ...generator(report, run),
  ];
}

function thresholds(run: RunNow): Gap[] {
  return run.thresholds
    .filter((threshold) => threshold.outcome === "no_data")
    .map((threshold) => ({ what: threshold.text, why: "no sample belongs to it, so it neither passed nor failed" }));
}

function users(run: RunNow): Gap[] {
  const { lost } = run.users;
  return lost > 0
    ? [{ what: plural(lost, "lost user"), why: "their agent was lost; what they did since its last report is unknown" }]
    : [];
}

function spans(report: Summary): Gap[] {
  return (report.agents ?? [])
    .filter((agent) => agent.unobserved.length > 0)
    .map((agent) => ({
      what: `agent ${agent.id}, unobserved ${agent.unobserved.map((span) => `${clock(span.from_s)} – ${clock(span.to_s)}`).join(", ")}`,
      why: "it told nothing of this time; the numbers of these seconds lack its part, and charts are hatched there",
    }));
}

function cues(run: RunNow): Gap[] {
  return run.cues.flatMap((cue) =>
    cue.firings
      .map((firing, index) => ({ firing, number: index + 1 }))
      .filter(({ firing }) => firing.live === null || firing.state !== "sent")
      .map(({ firing, number }) => ({
        what: `cue ${cue.name} #${number}`,
        why:
          firing.live === null
            ? "no agent told how many users were there to hear it"
            : `its state is "${firing.state}"`,
      })),
  );
}

function autoscaler({ autoscaler }: Summary): Gap[] {
  if (autoscaler?.observed) return [];
  return [{ what: "the autoscaler", why: autoscaler?.why ?? "not judged: the environment names no observer of it" }];
}

function generator(report: Summary, run: RunNow): Gap[] {
  const grade = report.generator?.grade ?? run.generator;
  if (grade === null || grade === undefined) return [{ what: "the load generator", why: "no agent told how it fared" }];
  return grade === "good"
    ? []
    : [
        {
          what: "parts of the response times",
          why: `the load generator was ${grade}: some of what looks slow may be our own agents`,
        },
      ];
}

/** In words for the head of the report. */
export function lengthOf(report: Summary): string {
  return report.duration_s === null ? "length unknown" : `${clock(report.duration_s)} (${count(report.duration_s)} s)`;
}
