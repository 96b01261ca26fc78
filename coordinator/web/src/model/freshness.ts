/**
 * How old what the screen shows is, by the screen's own clock alone. The coordinator's clock may be wrong by any amount,
 * so `made_at` is only compared with other `made_at`s: the snapshot that travelled fastest of late marks "no delay".
 */

/** Old enough to say so, and old enough to say it loudly; in seconds. */
export const STALE_S = 2;
export const LOUD_S = 5;

/** Snapshots that the fastest is sought among, so that a clock that was set is forgotten again. */
const REMEMBERED = 60;

export type Staleness = "fresh" | "stale" | "loud";

export class Freshness {
  #offsets: number[] = [];
  #shownMadeAt: number | null = null;

  /** A snapshot made at `madeAt` (coordinator's clock) was received at `now` (own clock); both in seconds. */
  received(madeAt: number, now: number) {
    this.#offsets.push(now - madeAt);
    if (this.#offsets.length > REMEMBERED) this.#offsets.shift();
    this.#shownMadeAt = madeAt;
  }

  /** The age of the shown data in seconds at `now`; null before the first snapshot. */
  age(now: number): number | null {
    if (this.#shownMadeAt === null) return null;
    return Math.max(0, now - (this.#shownMadeAt + Math.min(...this.#offsets)));
  }
}

export function staleness(age: number | null): Staleness {
  if (age === null || age <= STALE_S) return "fresh";
  return age <= LOUD_S ? "stale" : "loud";
}
