/** Scaling: a factor by slider, or an exact figure where the kind of load has one. Nothing is sent before "apply". */
import { useState } from "preact/hooks";
import type { LoadNow } from "../api/types";
import { Action } from "../ui/action";
import type { Commander } from "./commander";

type Way = "factor" | "users" | "rate";

/** What `crates/plan` accepts for each kind of load. */
const WAYS: Record<string, Way[]> = {
  arrive: ["factor", "users", "rate"],
  users: ["factor", "users"],
  rate: ["factor", "rate", "users"],
  curve: ["factor", "users", "rate"],
};
const LABELS: Record<Way, string> = { factor: "factor", users: "users", rate: "per second" };
const MOST_FACTOR = 3;

interface Props {
  loads: LoadNow[];
  commander: Commander;
  blocked: string | null;
}

export function Scale({ loads, commander, blocked }: Props) {
  const [scenario, setScenario] = useState("");
  const [way, setWay] = useState<Way>("factor");
  const [factor, setFactor] = useState(1);
  const [exact, setExact] = useState("");
  const [over, setOver] = useState("");
  const chosen = loads.find((load) => load.scenario === scenario) ?? (loads.length === 1 ? loads[0] : undefined);
  // Of several scenarios at once only a factor makes sense.
  const ways = chosen ? (WAYS[chosen.kind] ?? ["factor"]) : ["factor" as Way];
  const current = ways.includes(way) ? way : "factor";
  const value = current === "factor" ? factor : exact.trim() === "" ? NaN : Number(exact);
  const wrong =
    value >= 0 && (current !== "users" || Number.isInteger(value)) ? null : `${LABELS[current]}: enter a number from 0`;
  const apply = () =>
    void commander.send({
      kind: "scale",
      [current]: value,
      ...(scenario ? { scenario } : {}),
      ...(over.trim() ? { over: over.trim() } : {}),
    });
  return (
    <form
      class="scale"
      aria-label="Scale"
      onSubmit={(event) => {
        event.preventDefault();
        if (blocked === null && wrong === null) apply();
      }}
    >
      {loads.length > 1 && (
        <select
          aria-label="Scenario to scale"
          data-testid="scale-scenario"
          value={scenario}
          onChange={(event) => setScenario(event.currentTarget.value)}
        >
          <option value="">all scenarios</option>
          {loads.map((load) => (
            <option key={load.scenario} value={load.scenario}>
              {load.scenario}
            </option>
          ))}
        </select>
      )}
      <select
        aria-label="Scale by"
        data-testid="scale-way"
        value={current}
        onChange={(event) => setWay(event.currentTarget.value as Way)}
      >
        {ways.map((each) => (
          <option key={each} value={each}>
            {LABELS[each]}
          </option>
        ))}
      </select>
      {current === "factor" ? (
        <>
          <input
            type="range"
            min="0"
            max={MOST_FACTOR}
            step="0.05"
            value={factor}
            aria-label="Scale factor, slider"
            data-testid="scale-slider"
            list="scale-marks"
            onInput={(event) => setFactor(Number(event.currentTarget.value))}
          />
          <datalist id="scale-marks">
            {[0, 1, 2, 3].map((mark) => (
              <option key={mark} value={mark} />
            ))}
          </datalist>
          <label class="number">
            ×
            <input
              type="number"
              min="0"
              step="0.05"
              value={factor}
              aria-label="Scale factor"
              data-testid="scale-factor"
              id="scale-factor"
              onInput={(event) => setFactor(event.currentTarget.valueAsNumber)}
            />
          </label>
        </>
      ) : (
        <input
          type="number"
          min="0"
          step={current === "users" ? 1 : "any"}
          value={exact}
          placeholder={chosen && current === "users" ? String(chosen.planned) : ""}
          aria-label={`Scale to ${LABELS[current]}`}
          data-testid={`scale-${current}`}
          onInput={(event) => setExact(event.currentTarget.value)}
        />
      )}
      <label class="over">
        over{" "}
        <input
          type="text"
          size={5}
          value={over}
          placeholder="at once"
          aria-label="Scale over, such as 10s"
          data-testid="scale-over"
          onInput={(event) => setOver(event.currentTarget.value)}
        />
      </label>
      <Action testid="scale-apply" blocked={blocked ?? wrong} onPress={apply}>
        Apply
      </Action>
    </form>
  );
}
