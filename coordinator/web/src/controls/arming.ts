/** Whether a press on a cue's button arms it or fires it. */

/** An armed cue is disarmed after this long. */
export const ARMED_MS = 4_000;
/** A second press that comes sooner belongs to an accidental double click. */
export const DOUBLE_CLICK_MS = 250;

export interface ArmedCue {
  name: string;
  atMs: number;
}

export function press(armed: ArmedCue | null, name: string, nowMs: number): { fire: boolean; armed: ArmedCue | null } {
  if (armed?.name !== name || nowMs - armed.atMs > ARMED_MS) return { fire: false, armed: { name, atMs: nowMs } };
  if (nowMs - armed.atMs < DOUBLE_CLICK_MS) return { fire: false, armed };
  return { fire: true, armed: null };
}
