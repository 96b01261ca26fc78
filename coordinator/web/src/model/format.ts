/** Numbers for people. What is not known is a dash, never a zero. */

export const UNKNOWN = "–";
const THIN = "\u2009";

/** A count in full, grouped: `300 000`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** A number in at most four characters and a letter: `12.3k`, for axes and big figures. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  const size = Math.abs(value);
  for (const [unit, letter] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e4, "k"],
  ] as const) {
    if (size >= unit) {
      const scaled = value / (letter === "k" ? 1e3 : unit);
      return `${digits(scaled)}${letter}`;
    }
  }
  return Number.isInteger(value) ? String(value) : digits(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A short duration, measured: `0.41 ms`, `412 ms`, `1.24 s`, `2 m 05 s`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
  const size = Math.abs(seconds);
  if (size === 0) return "0 ms";
  if (size < 0.000_999_5) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (size < 0.009_995) return `${(seconds * 1e3).toFixed(2)} ms`;
  if (size < 0.099_95) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (size < 0.999_5) return `${(seconds * 1e3).toFixed(0)} ms`;
  if (size < 9.995) return `${seconds.toFixed(2)} s`;
  if (size < 99.95) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(size / 60)} m ${pad(Math.round(size % 60))} s`;
}

/** A point or length of run time: `0:05`, `12:34`, `1:02:03`; negative before the start. */
export function clock(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
  const whole = Math.floor(Math.abs(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const sign = seconds < 0 && whole > 0 ? "−" : "";
  return sign + (hours > 0 ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`);
}

const pad = (value: number) => String(value).padStart(2, "0");

/** A share of 1 in percent. It says 100 % or 0 % only when that is exactly so. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return UNKNOWN;
  if (share === 0 || share === 1) return `${share * 100} %`;
  const text = (share * 100).toFixed(Math.abs(share) < 0.01 || Math.abs(1 - share) < 0.01 ? 2 : 1);
  if (Number(text) === 100) return share < 1 ? "> 99.99 %" : `${text} %`;
  if (Number(text) === 0) return "< 0.01 %";
  return `${text} %`;
}

/** A part of a whole as a share, unknown when the whole is unknown or nothing. */
export function share(part: number, whole: number | null): number | null {
  return whole === null || whole === 0 ? null : part / whole;
}

/** `1 agent`, `2 agents`. */
export function plural(value: number, word: string): string {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}
