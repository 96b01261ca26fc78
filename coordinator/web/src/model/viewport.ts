/** Which stretch of run time all charts show together: the last minutes, everything, or what was dragged over. */

/** Minutes that are followed; null follows the whole run. */
export type Follow = 1 | 5 | null;
export const FOLLOWS: Follow[] = [1, 5, null];

export class Viewport {
  follow: Follow = null;
  zoom: [number, number] | null = null;
  /** A stretch that someone was sent to, shaded in every chart. */
  mark: [number, number] | null = null;
  #listeners = new Set<() => void>();

  /** The visible seconds `[from, to]` of a run whose last second is before `end`. */
  range(end: number): [number, number] {
    if (this.zoom) return this.zoom;
    const last = Math.max(end, 10);
    return this.follow === null ? [0, last] : [Math.max(0, last - this.follow * 60), Math.max(last, this.follow * 60)];
  }

  zoomTo(from: number, to: number) {
    this.zoom = from < to ? [Math.max(0, from), to] : [Math.max(0, from - 5), from + 5];
    this.#tell();
  }

  /** Shows a stretch with some room around it, and shades it. */
  point(from: number, to: number) {
    const room = Math.max(5, (to - from) * 0.5);
    this.mark = [from, to];
    this.zoomTo(from - room, to + room);
  }

  /** Shades a stretch, and leaves what is shown as it is; null shades nothing. */
  shade(stretch: [number, number] | null) {
    this.mark = stretch;
    this.#tell();
  }

  /** Back to following, with the given number of minutes or as before. */
  reset(follow: Follow = this.follow) {
    this.zoom = null;
    this.mark = null;
    this.follow = follow;
    this.#tell();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}
