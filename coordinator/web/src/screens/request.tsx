/** The form that becomes a `RunRequest`. */
import { useEffect, useState } from "preact/hooks";
import type { RunRequest, ScenarioEntry } from "../api/types";
import { Panel } from "../ui/panel";

interface Setting {
  key: string;
  value: string;
}

/** A scenario that can be run has no problems; if there are several such, the first. */
export function RequestForm({
  scenarios,
  onChange,
}: {
  scenarios: ScenarioEntry[];
  onChange: (request: RunRequest) => void;
}) {
  const [name, setName] = useState((scenarios.find((each) => !each.problems) ?? scenarios[0]!).name);
  const scenario = scenarios.find((each) => each.name === name) ?? scenarios[0]!;
  const [wanted, setEnvironment] = useState("dev");
  const environment = scenario.environments.includes(wanted) ? wanted : (scenario.environments[0] ?? null);
  const [agents, setAgents] = useState("");
  const [seed, setSeed] = useState("");
  const [settings, setSettings] = useState<Setting[]>([]);
  const change = (index: number, part: Partial<Setting>) =>
    setSettings(settings.map((each, i) => (i === index ? { ...each, ...part } : each)));

  const request: RunRequest = {
    scenario: scenario.name,
    environment,
    set: Object.fromEntries(settings.filter((each) => each.key.trim()).map((each) => [each.key.trim(), each.value])),
    agents: whole(agents),
    seed: whole(seed),
    yes: false,
  };
  useEffect(() => onChange(request), [JSON.stringify(request)]);

  return (
    <Panel id="request" title="Rehearse">
      <div class="form">
        <label>
          Scenario
          <select value={scenario.name} data-testid="scenario" onChange={(event) => setName(event.currentTarget.value)}>
            {scenarios.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
                {each.problems ? ` (${each.problems} problems)` : ""}
              </option>
            ))}
          </select>
        </label>
        <label>
          Environment
          <select
            value={environment ?? ""}
            data-testid="environment"
            onChange={(event) => setEnvironment(event.currentTarget.value)}
          >
            {scenario.environments.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        <label>
          Agents{" "}
          <input
            type="number"
            min="1"
            value={agents}
            placeholder="as the environment says"
            data-testid="agents"
            onInput={(event) => setAgents(event.currentTarget.value)}
          />
        </label>
        <label>
          Seed{" "}
          <input
            type="number"
            min="0"
            value={seed}
            placeholder="new each time"
            data-testid="seed"
            onInput={(event) => setSeed(event.currentTarget.value)}
          />
        </label>
      </div>
      <fieldset class="settings">
        <legend>Settings, over those of the environment</legend>
        {settings.map((setting, index) => (
          <div class="setting" key={index}>
            <input
              type="text"
              value={setting.key}
              placeholder="users"
              aria-label="Key"
              data-testid={`set-key-${index}`}
              onInput={(event) => change(index, { key: event.currentTarget.value })}
            />
            <span aria-hidden="true">=</span>
            <input
              type="text"
              value={setting.value}
              placeholder="2000"
              aria-label="Value"
              data-testid={`set-value-${index}`}
              onInput={(event) => change(index, { value: event.currentTarget.value })}
            />
            <button
              type="button"
              class="quiet small"
              aria-label={`Remove ${setting.key || "setting"}`}
              onClick={() => setSettings(settings.filter((_, i) => i !== index))}
            >
              ✕
            </button>
          </div>
        ))}
        <button
          type="button"
          class="quiet small"
          data-testid="set-add"
          onClick={() => setSettings([...settings, { key: "", value: "" }])}
        >
          + setting
        </button>
      </fieldset>
    </Panel>
  );
}

function whole(text: string): number | null {
  const value = Number(text);
  return text.trim() !== "" && Number.isInteger(value) ? value : null;
}
