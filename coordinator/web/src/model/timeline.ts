/**
 * The seconds of a run in columns, merged by revision. A screen that missed something learns of it here: `merge` takes a
 * snapshot only if it continues what is held.
 */
import type { Latency, Second, Snapshot } from "../api/types";
import { Column, Columns } from "./column";
import { HeatColumns } from "./heat";

export const LATENCY_FIELDS = ["n", "p50", "p90", "p99", "max"] as const;
export type LatencyField = (typeof LATENCY_FIELDS)[number];
type LatencyColumns = Record<LatencyField, Column>;

/** `gap`: seconds in between are missing, ask for them. `old`: it says nothing new, or is of another life of the coordinator. */
export type Merged = "merged" | "gap" | "old";

export const GRADES = ["good", "fair", "poor"];

export class Timeline {
  revision = 0;
  /** Rises with every change; what is drawn compares it. */
  version = 0;
  /** One more than the last second that anyone told of. */
  end = 0;
  /** The last second of which every agent has told. */
  settled = -1;
  readonly users = new Columns();
  readonly target = new Column();
  readonly arrivals = new Column();
  readonly arrivalsPlanned = new Column();
  readonly response: LatencyColumns = latencyColumns();
  readonly calls = new Map<string, LatencyColumns>();
  readonly heat = new HeatColumns();
  readonly errors = new Columns();
  readonly sockets = new Columns();
  /** Index into `GRADES`. */
  readonly generator = new Column();

  merge(snapshot: Snapshot): Merged {
    if (snapshot.revision <= this.revision) return "old";
    if (snapshot.since > this.revision) return "gap";
    this.add(snapshot.seconds);
    this.revision = snapshot.revision;
    this.settled = Math.max(this.settled, snapshot.run.settled_s ?? -1);
    return "merged";
  }

  /** Forgets everything and takes a snapshot of the whole run. */
  reset(snapshot: Snapshot) {
    this.end = 0;
    this.settled = -1;
    this.revision = -1;
    for (const part of [this.users, this.errors, this.sockets, this.heat, this.target, this.arrivals]) part.clear();
    for (const part of [this.arrivalsPlanned, this.generator, ...Object.values(this.response)]) part.clear();
    this.calls.clear();
    this.merge({ ...snapshot, since: -1 });
  }

  add(seconds: Second[]) {
    for (const second of seconds) if (second.s >= 0) this.#put(second);
    this.version += 1;
  }

  /** The names of all calls, in the order of their names so that colours do not depend on who answered first. */
  get callNames(): string[] {
    return [...this.calls.keys()].sort();
  }

  /** The columns of one call, or of all of them. */
  latency(name: string | null): LatencyColumns {
    return (name === null ? this.response : this.calls.get(name)) ?? NOTHING;
  }

  /** The second whose rates a screen may call current: the last settled one, and when that is far behind, the newest full one. */
  current(): { second: number; partial: boolean } | null {
    if (this.end === 0) return null;
    const newest = Math.max(0, this.end - 2);
    if (this.settled >= 0 && this.settled >= this.end - 6)
      return { second: Math.min(this.settled, this.end - 1), partial: false };
    return { second: newest, partial: this.settled < newest };
  }

  #put(second: Second) {
    const { s } = second;
    this.end = Math.max(this.end, s + 1);
    this.users.set(s, second.users);
    this.target.set(s, second.target);
    this.arrivals.set(s, second.arrivals);
    this.arrivalsPlanned.set(s, second.arrivals_planned);
    putLatency(this.response, s, second.response);
    for (const name of Object.keys(second.calls)) if (!this.calls.has(name)) this.calls.set(name, this.#noCalls());
    for (const [name, columns] of this.calls) putLatency(columns, s, second.calls[name] ?? null);
    this.heat.set(s, second.heat);
    this.errors.set(s, second.errors);
    this.sockets.set(s, second.sockets);
    const grade = second.generator === null ? -1 : GRADES.indexOf(second.generator);
    this.generator.set(s, grade < 0 ? null : grade);
  }

  /** Columns of a call that had no answer in all seconds told of so far. */
  #noCalls(): LatencyColumns {
    const columns = latencyColumns();
    for (let second = 0; second < this.end; second++)
      if (this.response.n.get(second) !== null) columns.n.set(second, 0);
    return columns;
  }
}

function latencyColumns(): LatencyColumns {
  return { n: new Column(), p50: new Column(), p90: new Column(), p99: new Column(), max: new Column() };
}

/** Without an answer there were none, and how long they took is unknown. */
function putLatency(columns: LatencyColumns, second: number, latency: Latency | null) {
  for (const field of LATENCY_FIELDS) columns[field].set(second, latency?.[field] ?? (field === "n" ? 0 : null));
}

const NOTHING = latencyColumns();
