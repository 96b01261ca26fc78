/** What the coordinator puts into the report: the summary (contracts.md §4), the run as it ended, and its seconds. */
import type { RunNow, ScalerPicture, Second } from "../api/types";

export interface Span {
  from_s: number;
  to_s: number;
}

/** Seconds in a row in which the generator was not good, and why. */
export interface Stretch extends Span {
  grade: string;
  reasons: string[];
}

export interface SummaryAgent {
  id: string;
  region: string;
  users: number;
  lost: boolean;
  clock_offset_s: number | null;
  clock_bound_s: number | null;
  unobserved: Span[];
}

export interface SummaryMetric {
  name: string;
  kind: string;
  tags: Record<string, string>;
  count: number | null;
  rate: number | null;
  mean: number | null;
  min: number | null;
  max: number | null;
  p50: number | null;
  p90: number | null;
  p95: number | null;
  p99: number | null;
  p999: number | null;
}

/** Of a run in which it was not observed. */
export interface NotJudged {
  observed: false;
  why?: string | null;
}

/** The parts of summary.json that the page reads; everything else it has from `run`. */
export interface Summary {
  run_id: string;
  scenario: string;
  environment: string;
  started_at: string | null;
  duration_s: number | null;
  verdict: string | null;
  metrics?: SummaryMetric[];
  agents?: SummaryAgent[];
  autoscaler?: ScalerPicture | NotJudged | null;
  generator?: { grade: string | null; worst: Stretch[] } | null;
}

export interface ReportData {
  report: Summary;
  run: RunNow;
  seconds: Second[];
  bands: number[];
}

/** The data in this page; null in a template that nobody has filled. */
export function dataOfPage(): ReportData | null {
  const element = document.getElementById("rehearsal-data");
  return element?.textContent ? (JSON.parse(element.textContent) as ReportData) : null;
}
