/** Which commands a run can take in its present state, and if not, why not. */
import type { Command, RunNow } from "../api/types";

/** The reason for which a command would be refused; null when it is possible. */
export function blocked({ state, paused }: Pick<RunNow, "state" | "paused">, command: Command["kind"]): string | null {
  if (state === "judged" || state === "failed" || state === "cancelled") return "the run is over";
  if (state === "collecting") return "the load has ended";
  if (command === "stop") return null;
  if (state === "stopping") return "the run is stopping";
  if (state !== "running") return "the run has not started yet";
  if (command === "pause" && paused) return "arrivals are paused already";
  if (command === "resume" && !paused) return "arrivals are not paused";
  return null;
}
