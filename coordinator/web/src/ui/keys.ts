/** Keyboard shortcuts: single keys, silent while someone types, holds a modifier or answers a dialog. */
import { useEffect } from "preact/hooks";

/** What `?` shows; the digits stand for the cues in the order of the screen. */
export const SHORTCUTS: [keys: string, what: string][] = [
  ["1 … 9", "cue: press once to arm, again to fire"],
  ["p", "pause or resume arrivals"],
  ["s", "scale: go to the factor"],
  ["x", "stop (asks first)"],
  ["f", "follow the last minute, five minutes, everything"],
  ["w", "wall: big figures, readable from afar"],
  ["t", "theme: dark, light, as the system"],
  ["Esc", "disarm, leave the wall, show all that was zoomed"],
  ["?", "this list"],
];

export type Bindings = Record<string, () => void>;

export function useKeys(bindings: Bindings) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const act = bindings[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches("input:not([type=range]), textarea, select, [contenteditable]")
  );
}
