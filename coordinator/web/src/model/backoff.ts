/** How long to wait before asking again: quickly at first, then patiently, and never all screens at once. */

const FIRST_MS = 250;
const MOST_MS = 5_000;

/** Milliseconds to wait after `failures` failures in a row; `random` is from 0 to 1. */
export function backoff(failures: number, random: number): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return full * (0.5 + 0.5 * random);
}
