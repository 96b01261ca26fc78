/** Everything that an operator can do to a live run, in one place that stays in sight. */
import { useState } from "preact/hooks";
import { type RunStore, useRun } from "../model/store";
import { Action } from "../ui/action";
import { useKeys } from "../ui/keys";
import { Answers } from "./answers";
import type { Commander } from "./commander";
import { CueButtons, useArmed } from "./cues";
import { blocked } from "./possible";
import { Scale } from "./scale";
import { StopDialog } from "./stop";

export function ControlBar({ store, commander }: { store: RunStore; commander: Commander }) {
  const state = useRun(store, ({ state, paused, loads }) => ({ state, paused, loads }));
  const cues = useRun(store, (run) => run.cues);
  const [stopping, setStopping] = useState(false);
  const armed = useArmed(commander);
  const why = (kind: Parameters<typeof blocked>[1]) => blocked(state, kind);
  const askToStop = () => {
    if (why("stop") === null) setStopping(true);
  };
  const toggle = state.paused ? "resume" : "pause";
  const pauseOrResume = () => {
    if (why(toggle) === null) void commander.send({ kind: toggle });
  };
  const fire = (index: number) => () => {
    const cue = cues[index];
    if (cue && why("cue") === null) armed.press(cue.name);
  };
  useKeys({
    x: askToStop,
    p: pauseOrResume,
    s: () => document.getElementById("scale-factor")?.focus(),
    Escape: () => {
      armed.disarm();
      store.viewport.reset();
    },
    ...Object.fromEntries(cues.slice(0, 9).map((_, index) => [String(index + 1), fire(index)])),
  });
  return (
    <section class="controls" aria-label="Controls">
      <div class="steering">
        <Action testid="stop" class="danger" shortcut="x" blocked={why("stop")} onPress={askToStop}>
          Stop
        </Action>
        <Action testid={toggle} shortcut="p" blocked={why(toggle)} onPress={pauseOrResume}>
          {state.paused ? "Resume arrivals" : "Pause arrivals"}
        </Action>
        <Scale loads={state.loads} commander={commander} blocked={why("scale")} />
      </div>
      {cues.length > 0 && <CueButtons cues={cues} commander={commander} blocked={why("cue")} armed={armed} shortcuts />}
      <Answers commander={commander} />
      {stopping && (
        <StopDialog commander={commander} onClose={() => setStopping(false)} stopping={state.state === "stopping"} />
      )}
    </section>
  );
}
