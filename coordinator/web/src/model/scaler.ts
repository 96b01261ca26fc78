/**
 * What a screen knows of the autoscaler under test: step functions of run time, of which it is given the newest part again
 * and again. Pure.
 */
import type { Sample, ScalerFinding, ScalerPicture } from "../api/types";

/** Observations come in late, and the load of the last seconds may still rise: so much is asked for again. */
const OVERLAP_S = 120;

/** The series that count instances; all others are metrics of the scaler. */
export const INSTANCES = ["demand", "desired", "running", "ready", "draining"] as const;
export type Instances = (typeof INSTANCES)[number];

export class Scaler {
  picture: ScalerPicture | null = null;
  /** Of the picture that is held; null while there is none that a newer one could continue. */
  revision: number | null = null;
  /** Rises with every change; what is drawn compares it. */
  version = 0;

  /** From when on samples are missing here, in seconds of run time. */
  get missingFrom(): number {
    return this.picture === null || this.revision === null ? 0 : Math.max(0, this.picture.to_s - OVERLAP_S);
  }

  /** Takes a picture with the samples from `from` on; those before are kept, all else is replaced. */
  merge(picture: ScalerPicture, from: number, revision: number) {
    const held = this.picture;
    const names = new Set([...Object.keys(held?.series ?? {}), ...Object.keys(picture.series)]);
    const series = [...names].map((name) => [name, joined(held?.series[name], picture.series[name], from)] as const);
    this.picture = { ...picture, load: joined(held?.load, picture.load, from), series: Object.fromEntries(series) };
    this.revision = revision;
    this.version += 1;
  }

  /** What is held may be of another life of the coordinator: it is shown until there is a new and whole one. */
  doubt() {
    this.revision = null;
  }

  /** The scaler's metrics: those with a band first, in the plan's order. */
  get metrics(): string[] {
    const { bands = [], series = {} } = this.picture ?? {};
    const known = Object.keys(series).filter((name) => !INSTANCES.includes(name as Instances));
    const banded = bands.map((band) => band.metric);
    return [...banded, ...known.filter((name) => !banded.includes(name)).sort()];
  }

  /** The values of a series at the seconds `from..to` (end excluded). */
  values(name: string, from: number, to: number): (number | null)[] {
    return valuesOf(this.picture?.series[name] ?? [], from, to, this.picture?.to_s ?? 0);
  }

  /** The load at the same seconds, in the capacity's unit. */
  load(from: number, to: number): (number | null)[] {
    return valuesOf(this.picture?.load ?? [], from, to, this.picture?.to_s ?? 0);
  }

  /** What serves: ready instances, or those that run where readiness was never seen. */
  get supply(): Instances {
    return isSeen(this.picture?.series.ready) || !isSeen(this.picture?.series.running) ? "ready" : "running";
  }

  /** By how many instances supply is short of demand; null where either is not known. */
  short(from: number, to: number): (number | null)[] {
    const supply = this.values(this.supply, from, to);
    return this.values("demand", from, to).map((demand, i) => {
      const there = supply[i] ?? null;
      return demand === null || there === null ? null : Math.max(0, demand - there);
    });
  }
}

const isSeen = (samples: Sample[] | undefined) => samples?.some(([, value]) => value !== null) ?? false;

/** What was held from before an instant, and what came from it on. */
function joined(held: Sample[] | undefined, came: Sample[] | undefined, from: number): Sample[] {
  const kept = (held ?? []).filter(([at]) => at < from);
  return [...kept, ...(came ?? [])];
}

/** The values of a step function at whole seconds; unknown before its first sample and from `end` on. */
export function valuesOf(samples: Sample[], from: number, to: number, end: number): (number | null)[] {
  const values = new Array<number | null>(Math.max(0, to - from)).fill(null);
  let next = 0;
  let value: number | null = null;
  for (let second = from; second < Math.min(to, end); second++) {
    while (next < samples.length && samples[next]![0] <= second) value = samples[next++]![1];
    values[second - from] = value;
  }
  return values;
}

/** A finding in its row below the time axis. */
export interface Span {
  finding: ScalerFinding;
  /** Its place in the picture's list. */
  index: number;
  row: number;
  /** Where it stands between the first visible second and the last, as fractions of 1. */
  left: number;
  width: number;
}

/** Findings that are in view, in as few rows as they need when each takes at least the share `least` of the width. */
export function spans(findings: ScalerFinding[], [from, to]: [number, number], least: number): Span[] {
  const rows: number[] = [];
  const found: Span[] = [];
  findings.forEach((finding, index) => {
    if (finding.to_s < from || finding.from_s > to) return;
    const share = (at: number) => Math.min(1, Math.max(0, (at - from) / (to - from)));
    const width = Math.max(least, share(finding.to_s) - share(finding.from_s));
    const left = Math.min(share(finding.from_s), 1 - width);
    const free = rows.findIndex((end) => end <= left + 1e-9);
    const row = free < 0 ? rows.length : free;
    rows[row] = left + width;
    found.push({ finding, index, row, left, width });
  });
  return found;
}
