/** What a run would be, before anyone is loaded: its size, its course, where it goes, what it costs; or why it cannot be. */
import type { Forecast, Problem } from "../api/types";
import { UNKNOWN, clock, count, plural } from "../model/format";
import { Mark } from "../ui/mark";
import { Panel } from "../ui/panel";
import { CurveChart } from "./curve";

interface Props {
  forecast: Forecast;
  starting: boolean;
  onStart: () => void;
}

export function ForecastPanel({ forecast, starting, onStart }: Props) {
  const { agents, price_usd_per_h: price } = forecast;
  const facts: [string, string][] = [
    ["users", count(forecast.users)],
    ["most at once", count(forecast.peak_live)],
    ["arrivals per second, at most", count(forecast.peak_arrivals_per_s)],
    ["length", forecast.duration_s === null ? "until users have left" : clock(forecast.duration_s)],
    ["agents", `${count(agents.count)} ${agents.launch}`],
    ["price", price === null ? (agents.launch === "local" ? "none" : UNKNOWN) : `about $${price.toFixed(2)} per hour`],
    ["target", forecast.target],
    ["may reach", forecast.allow.length > 0 ? forecast.allow.join(", ") : "this machine only"],
  ];
  return (
    <Panel id="forecast" title="Forecast">
      <div class="forecast-top">
        <dl class="facts two">
          {facts.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd data-testid={`forecast-${name.replaceAll(" ", "-")}`}>{value}</dd>
            </div>
          ))}
        </dl>
        <button
          type="button"
          class="primary start"
          data-testid="start"
          aria-disabled={starting}
          onClick={() => {
            if (!starting) onStart();
          }}
        >
          {starting ? "starting …" : `Start ${plural(forecast.users, "user")}`}
        </button>
      </div>
      <CurveChart curve={forecast.curve} />
      <div class="forecast-lists">
        <div>
          <h3>Cues</h3>
          <ul>
            {forecast.cues.map((cue) => (
              <li key={cue.name}>
                <b>{cue.name}</b> {cue.when}
              </li>
            ))}
          </ul>
          {forecast.cues.length === 0 && <p class="nothing">none</p>}
        </div>
        <div>
          <h3>Thresholds</h3>
          <ul>
            {forecast.thresholds.map((text) => (
              <li key={text}>
                <code>{text}</code>
              </li>
            ))}
          </ul>
          {forecast.thresholds.length === 0 && <p class="nothing">none</p>}
        </div>
      </div>
      <ProblemList problems={forecast.warnings} />
    </Panel>
  );
}

export function Problems({ text, problems }: { text: string; problems: Problem[] }) {
  return (
    <Panel id="problems" title="This cannot be started yet">
      <p data-testid="refused" class="refused">
        {text}
      </p>
      <ProblemList problems={problems} />
    </Panel>
  );
}

function ProblemList({ problems }: { problems: Problem[] }) {
  return (
    <ul class="problems">
      {problems.map((problem, index) => (
        <li key={index}>
          <Mark kind={problem.severity} />{" "}
          <code>
            {problem.file}:{problem.line}:{problem.column}
          </code>{" "}
          {problem.message}
          {problem.hint && <p class="hint">{problem.hint}</p>}
        </li>
      ))}
    </ul>
  );
}
