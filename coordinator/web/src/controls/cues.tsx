/**
 * The big buttons. Two presses: the first arms for some seconds, the second fires. Holding a button down would put its delay between
 * the host's word and the broadcast; like this the deed is the press itself, and arming can be done in good time. It
 * works the same by mouse, finger, keyboard and screen reader. A double click is an accident: it arms, and does not fire.
 */
import { useEffect, useState } from "preact/hooks";
import type { CueNow } from "../api/types";
import { clock, percent, share } from "../model/format";
import { Mark } from "../ui/mark";
import { ARMED_MS, press } from "./arming";
import { type Commander, useSent } from "./commander";

interface Props {
  cues: CueNow[];
  commander: Commander;
  blocked: string | null;
  armed: Armed;
  shortcuts: boolean;
}

/** The cue that the next press fires, shared by the buttons and the keyboard. */
export interface Armed {
  name: string | null;
  press: (name: string) => void;
  disarm: () => void;
}

export function useArmed(commander: Commander): Armed {
  const [armed, setArmed] = useState<{ name: string; atMs: number } | null>(null);
  useEffect(() => {
    if (!armed) return;
    const timer = setTimeout(() => setArmed(null), ARMED_MS);
    return () => clearTimeout(timer);
  }, [armed]);
  return {
    name: armed?.name ?? null,
    disarm: () => setArmed(null),
    press: (name) => {
      const next = press(armed, name, performance.now());
      if (next.fire) void commander.send({ kind: "cue", name });
      setArmed(next.armed);
    },
  };
}

export function CueButtons({ cues, commander, blocked, armed, shortcuts }: Props) {
  const sent = useSent(commander);
  return (
    <div class="cue-buttons" role="group" aria-label="Cues">
      {cues.map((cue, index) => {
        const latest = sent.find((entry) => entry.cue === cue.name);
        const isArmed = armed.name === cue.name;
        const waiting = latest?.outcome.state === "waiting";
        return (
          <button
            type="button"
            key={cue.name}
            class={isArmed ? "cue-button armed" : "cue-button"}
            data-testid={`cue-${cue.name}`}
            data-armed={isArmed}
            aria-disabled={blocked !== null}
            title={blocked ?? `Fires ${cue.when}. Press twice to fire now.`}
            aria-keyshortcuts={shortcuts && index < 9 ? String(index + 1) : undefined}
            onClick={() => {
              if (blocked === null) armed.press(cue.name);
            }}
          >
            <span class="cue-name">
              {cue.name}
              {shortcuts && index < 9 && <kbd aria-hidden="true">{index + 1}</kbd>}
            </span>
            <span class="cue-note" aria-live="assertive">
              {isArmed ? "press again to fire" : waiting ? "firing …" : <LastReach cue={cue} blocked={blocked} />}
            </span>
          </button>
        );
      })}
    </div>
  );
}

function LastReach({ cue, blocked }: { cue: CueNow; blocked: string | null }) {
  const last = cue.firings[cue.firings.length - 1];
  if (!last) return <>{blocked ?? cue.when}</>;
  if (last.state === "announced") return <>fires at {clock(last.at_s)}</>;
  return (
    <>
      #{cue.firings.length} at {clock(last.at_s)} · reach {percent(share(last.heard, last.live))}{" "}
      {last.state !== "sent" && <Mark kind={last.state} />}
    </>
  );
}
