/** The distribution of response times: counts by band and second, and how they become colours. */

const PER_DECADE = 10;
/** As many as the server has: 61 bounds, one band below them and one above. */
export const BANDS = 62;

/** The lower and upper bound of a band in seconds, on the same ladder as `bands()` of crates/report; the outermost get a tenth of a decade so that they can be drawn. */
export function bandRange(band: number): [number, number] {
  const at = (index: number) => 1e-4 * 10 ** (index / PER_DECADE);
  return [at(band - 1), at(band)];
}

/** The band that holds a duration in seconds. */
export function bandOf(seconds: number): number {
  const band = Math.ceil(Math.log10(seconds / 1e-4) * PER_DECADE - 1e-9);
  return Math.max(0, Math.min(BANDS - 1, band));
}

/** Counts of all seconds, one row of bands for each. */
export class HeatColumns {
  #counts = new Uint32Array(64 * BANDS);

  set(second: number, bands: [number, number][]) {
    const start = second * BANDS;
    if (start + BANDS > this.#counts.length) this.#grow(start + BANDS);
    this.#counts.fill(0, start, start + BANDS);
    for (const [band, count] of bands) if (band < BANDS) this.#counts[start + band] = count;
  }

  get(second: number, band: number): number {
    return this.#counts[second * BANDS + band] ?? 0;
  }

  /** Sums of `from..to` by band, for a column of pixels that covers several seconds. */
  sum(from: number, to: number, into: Float64Array) {
    into.fill(0);
    for (let second = from; second < to; second++) {
      for (let band = 0; band < BANDS; band++) into[band] = into[band]! + this.get(second, band);
    }
  }

  clear() {
    this.#counts.fill(0);
  }

  #grow(needed: number) {
    const bigger = new Uint32Array(2 ** Math.ceil(Math.log2(needed)));
    bigger.set(this.#counts);
    this.#counts = bigger;
  }
}

/**
 * How strongly a count is painted, 0 to 1. The root keeps few beside many apart, and there is a visible minimum, because
 * one slow answer among a thousand is what people look for.
 */
export function intensity(count: number, most: number): number {
  if (count <= 0) return 0;
  return 0.12 + 0.88 * Math.sqrt(Math.min(1, count / most));
}
