/** The shapes that the server sends, as crates/report/src/view and crates/api declare them. `null` means: not known. */

/** The states of a run, forward only. */
export type RunState =
  | "draft"
  | "launching"
  | "gathering"
  | "armed"
  | "running"
  | "stopping"
  | "collecting"
  | "judged"
  | "failed"
  | "cancelled";

/** Durations within one second of run time, in seconds. */
export interface Latency {
  n: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** One second of run time; until it is settled its numbers still rise. */
export interface Second {
  s: number;
  settled: boolean;
  users: Record<string, number>;
  target: number | null;
  arrivals: number;
  arrivals_planned: number;
  response: Latency | null;
  calls: Record<string, Latency>;
  /** `[band, count]`, only bands that have any. */
  heat: [number, number][];
  errors: Record<string, number>;
  sockets: Record<string, number>;
  generator: string | null;
}

export const USER_STATES = ["waiting", "live", "finished", "failed", "dropped", "cancelled", "lost"] as const;
export type UserState = (typeof USER_STATES)[number];
export type UsersNow = Record<UserState | "planned" | "restored", number>;

export interface LoadNow {
  scenario: string;
  kind: string;
  planned: number;
}

/** Calls of one name since the start: `begun = answered + failed + cut + open`. */
export interface CallNow {
  name: string;
  begun: number;
  answered: number;
  failed: number;
  cut: number;
  open: number;
  p50: number | null;
  p90: number | null;
  p99: number | null;
  max: number | null;
}

export interface SocketNow {
  transport: string;
  open: number;
  opened: number;
  failed: number;
  closed: number;
  sent: number;
  received: number;
}

export interface AgentNow {
  id: string;
  region: string;
  state: string;
  users: number;
  started: number;
  clock_bound_s: number | null;
  cpu: number | null;
  lag_s: number | null;
  open_files: number | null;
  reported_s: number | null;
  unobserved: { from_s: number; to_s: number }[];
}

/** One firing of a cue; delays in seconds after the sending. */
export interface FiringNow {
  firing: number;
  id: string;
  at_s: number;
  state: string;
  by: string;
  live: number | null;
  connected: number | null;
  heard: number;
  duplicates: number;
  first: number | null;
  p50: number | null;
  p99: number | null;
  last: number | null;
  clock_bound_s: number;
}

export interface CueNow {
  name: string;
  when: string;
  firings: FiringNow[];
}
export interface CheckNow {
  name: string;
  passed: number;
  failed: number;
}
export interface ErrorNow {
  kind: string;
  count: number;
  sample: string;
}
export interface ThresholdNow {
  text: string;
  value: number | null;
  shown: string | null;
  outcome: string;
}
export interface EventRow {
  at_s: number;
  kind: "run" | "control" | "agent" | "cue" | "threshold";
  who: string;
  text: string;
}
export interface FindingNow {
  severity: string;
  subject: string;
  text: string;
  from_s: number;
  to_s: number;
}

/** A run as it stands. */
export interface RunNow {
  id: string;
  scenario: string;
  environment: string;
  state: RunState;
  paused: boolean;
  started_at: string | null;
  now_s: number | null;
  settled_s: number | null;
  ends_s: number | null;
  users: UsersNow;
  loads: LoadNow[];
  calls: CallNow[];
  sockets: SocketNow[];
  agents: AgentNow[];
  cues: CueNow[];
  checks: CheckNow[];
  errors: ErrorNow[];
  thresholds: ThresholdNow[];
  events: EventRow[];
  generator: string | null;
  verdict: string | null;
  findings: FindingNow[];
  autoscaler: ScalerNow | null;
}

/** That there is a picture of the autoscaler; `revision` differs whenever the picture does. */
export interface ScalerNow {
  revision: number;
  last_s: number;
}

/** A second of run time, and what was seen then; null from when on nothing was. It holds until the next one. */
export type Sample = [at_s: number, value: number | null];

/** One statement about the scaler; `weight` is what it does to the verdict. */
export interface ScalerFinding {
  weight: "fail" | "doubt" | "tell";
  kind: string;
  text: string;
  from_s: number;
  to_s: number;
}

/** A step of the load, and the scaler's answer in seconds since its slowest rise; null without evidence. */
export interface ScalerStep {
  at_s: number;
  direction: "up" | "down";
  from: number;
  to: number;
  /** When that rise came. */
  rise_at_s: number;
  detection_s: number | null;
  decision_s: number | null;
  actuation_s: number | null;
  readiness_s: number | null;
  settling_s: number | null;
  overshoot: number | null;
}

export interface ScalerBand {
  metric: string;
  lo: number;
  hi: number;
  /** Of the time that counts, as a fraction of 1. */
  share: number | null;
}

/** In instances, percent, or as named; null without evidence. */
export interface ScalerFigures {
  under_accuracy: number | null;
  over_accuracy: number | null;
  under_accuracy_relative: number | null;
  over_accuracy_relative: number | null;
  under_share: number | null;
  over_share: number | null;
  jitter: number | null;
  instability: number | null;
  tick_s: number | null;
  observed_share: number | null;
  readiness_s: number | null;
  overshoot: number | null;
  reversals: number | null;
  errors_while_draining: number | null;
}

/** What was seen of the autoscaler, and what follows (`autoscaler` in summary.json); live, its samples from some second on. */
export interface ScalerPicture extends ScalerFigures {
  observed: true;
  from_s: number;
  to_s: number;
  capacity: { of: "users" | "requests"; per_instance: number } | null;
  bounds: { at_least: number | null; at_most: number | null };
  steps: ScalerStep[];
  bands: ScalerBand[];
  findings: ScalerFinding[];
  activities: [at_s: number, change: number][];
  load: Sample[];
  series: Record<string, Sample[]>;
}

/** The run as it stands, and all seconds that changed after revision `since`. `made_at` is Unix time in seconds. */
export interface Snapshot {
  revision: number;
  since: number;
  made_at: number;
  run: RunNow;
  seconds: Second[];
}

export interface ScenarioEntry {
  name: string;
  path: string;
  environments: string[];
  problems: number | null;
}

export interface RunRequest {
  scenario: string;
  environment: string | null;
  set: Record<string, string>;
  agents: number | null;
  seed: number | null;
  yes: boolean;
}

export interface Problem {
  file: string;
  line: number;
  column: number;
  severity: string;
  message: string;
  hint: string | null;
}

export interface Forecast {
  users: number;
  peak_live: number | null;
  peak_arrivals_per_s: number;
  duration_s: number | null;
  agents: { launch: string; count: number };
  target: string;
  allow: string[];
  cues: { name: string; when: string }[];
  thresholds: string[];
  /** `[second, arrived, live]`, at most some hundred points. */
  curve: [number, number, number | null][];
  warnings: Problem[];
  price_usd_per_h: number | null;
}

export interface RunEntry {
  id: string;
  scenario: string;
  environment: string;
  state: RunState;
  live: boolean;
  started_at: string | null;
  duration_s: number | null;
  users: number | null;
  verdict: string | null;
}

/** How an operator's command was answered. */
export interface Answer {
  command: string;
  by: string;
  version: number | null;
  at_s: number;
  applied: { agent: string; at_s: number; missed: number }[];
  pending: string[];
  text: string;
}

/** An operator's command. Of a scaling exactly one of `users`, `rate` and `factor` is given. */
export type Command =
  | { kind: "stop"; now: boolean }
  | { kind: "pause" }
  | { kind: "resume" }
  | { kind: "scale"; users?: number; rate?: number; factor?: number; scenario?: string; over?: string }
  | { kind: "cue"; name: string };
