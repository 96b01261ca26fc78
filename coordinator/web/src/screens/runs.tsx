/** Runs that were, newest first: how they came out, their reports, and taking them away. */
import { useState } from "preact/hooks";
import type { Client, ReportFormat } from "../api/client";
import type { RunEntry } from "../api/types";
import { clock, count } from "../model/format";
import { Dialog } from "../ui/dialog";
import { Heads } from "../ui/heads";
import { Mark } from "../ui/mark";
import { Nothing, Panel } from "../ui/panel";

const OFFERED: ReportFormat[] = ["html", "json", "csv"];

export function RunsPanel({ runs, client, onChange }: { runs: RunEntry[]; client: Client; onChange: () => void }) {
  const [doomed, setDoomed] = useState<RunEntry | null>(null);
  const [problem, setProblem] = useState("");
  const attempt = (work: Promise<unknown>) =>
    void work
      .then(
        () => setProblem(""),
        (error: Error) => setProblem(error.message),
      )
      .then(onChange);
  return (
    <Panel id="runs" title="Runs" class="runs">
      {problem && (
        <p class="trouble" role="alert">
          {problem}
        </p>
      )}
      {runs.length === 0 ? (
        <Nothing>None yet.</Nothing>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Runs">
          <table>
            <Heads
              of={["run", "scenario", "environment", "started", "length", "users", "outcome", "report", "delete"]}
              text={["scenario", "environment", "started", "outcome", "report", "delete"]}
            />
            <tbody>
              {runs.map((run) => (
                <tr key={run.id} data-testid={`run-${run.id}`} class={run.live ? "live" : ""}>
                  <th scope="row">
                    <a href={`#/runs/${encodeURIComponent(run.id)}`}>{run.id}</a>
                  </th>
                  <td class="text">{run.scenario}</td>
                  <td class="text">{run.environment}</td>
                  <td class="text">{started(run.started_at)}</td>
                  <td>{clock(run.duration_s)}</td>
                  <td>{count(run.users)}</td>
                  <td class="text">
                    <Mark kind={run.verdict ?? run.state} />
                  </td>
                  <td class="text">
                    {!run.live &&
                      OFFERED.map((format) => (
                        <button
                          type="button"
                          class="quiet small"
                          key={format}
                          onClick={() => attempt(client.saveReport(run.id, format))}
                          aria-label={`Save ${format} report of ${run.id}`}
                        >
                          {format}
                        </button>
                      ))}
                  </td>
                  <td class="text">
                    {!run.live && (
                      <button
                        type="button"
                        class="quiet small"
                        onClick={() => setDoomed(run)}
                        data-testid={`delete-${run.id}`}
                        aria-label={`Delete ${run.id}`}
                      >
                        ✕
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {doomed && (
        <Dialog title="Delete this run?" onClose={() => setDoomed(null)} testid="delete-dialog">
          <p>
            All numbers and reports of <b>{doomed.id}</b> ({doomed.scenario}, {started(doomed.started_at)}) are removed
            from disk for good.
          </p>
          <div class="buttons">
            <button type="button" onClick={() => setDoomed(null)}>
              Keep
            </button>
            <button
              type="button"
              class="danger"
              data-testid="delete-confirm"
              onClick={() => {
                attempt(client.delete(doomed.id));
                setDoomed(null);
              }}
            >
              Delete
            </button>
          </div>
        </Dialog>
      )}
    </Panel>
  );
}

/** In the reader's own time zone, since they know when they ate. */
function started(at: string | null): string {
  if (at === null) return "–";
  const date = new Date(at);
  return `${date.toLocaleDateString("sv")} ${date.toLocaleTimeString("sv").slice(0, 5)}`;
}
