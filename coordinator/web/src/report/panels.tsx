/** What only the report shows: the sum of all users, how the generator fared, and what each agent did not tell. */
import { USER_STATES, type RunNow } from "../api/types";
import { clock, count, duration } from "../model/format";
import { Heads } from "../ui/heads";
import { Mark } from "../ui/mark";
import { Panel } from "../ui/panel";
import type { Summary, SummaryAgent } from "./data";

export function UsersPanel({ run }: { run: RunNow }) {
  return (
    <Panel id="users" title="Users" aside="every user is in exactly one state">
      <table>
        <tbody>
          {USER_STATES.map((state) => (
            <tr key={state}>
              <th scope="row">{state}</th>
              <td>{count(run.users[state])}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">
              <b>planned</b>
            </th>
            <td>
              <b data-testid="users-planned">{count(run.users.planned)}</b>
            </td>
          </tr>
          {run.users.restored > 0 && (
            <tr>
              <th scope="row">restored (beside the sum)</th>
              <td>{count(run.users.restored)}</td>
            </tr>
          )}
        </tbody>
      </table>
    </Panel>
  );
}

export function GeneratorPanel({ report, run }: { report: Summary; run: RunNow }) {
  const grade = report.generator?.grade ?? run.generator;
  const worst = report.generator?.worst ?? [];
  return (
    <Panel id="generator" title="Load generator" aside="whether our own agents kept up">
      <p>{grade ? <Mark kind={grade} /> : "unknown: no agent said anything of itself"}</p>
      {worst.length > 0 && (
        <ul>
          {worst.map((stretch) => (
            <li key={stretch.from_s}>
              {clock(stretch.from_s)} – {clock(stretch.to_s)} <Mark kind={stretch.grade} /> {stretch.reasons.join(", ")}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

/** Only agents of which something is missing. */
export function ObservedAgentsPanel({ agents }: { agents: SummaryAgent[] }) {
  const blind = agents.filter((agent) => agent.unobserved.length > 0 || agent.lost);
  if (blind.length === 0) return null;
  return (
    <Panel id="unobserved" title="Agents with unobserved time">
      <div class="scroll" tabIndex={0} role="group" aria-label="Agents with unobserved time">
        <table>
          <Heads
            of={["agent", "region", "lost", "clock offset", "clock ±", "unobserved"]}
            text={["region", "unobserved"]}
          />
          <tbody>
            {blind.map((agent) => (
              <tr key={agent.id}>
                <th scope="row">{agent.id}</th>
                <td class="text">{agent.region}</td>
                <td>{agent.lost ? "yes" : "no"}</td>
                <td>{duration(agent.clock_offset_s)}</td>
                <td>{duration(agent.clock_bound_s)}</td>
                <td class="text">
                  {agent.unobserved.map((span) => `${clock(span.from_s)} – ${clock(span.to_s)}`).join(", ") || "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
