/** Whether an operator ended a run before its plan did: then its verdict speaks of less than was planned. */
import type { FindingNow } from "../api/types";

export function isStopped(findings: readonly FindingNow[]): boolean {
  return findings.some((finding) => finding.subject === "run" && finding.text.startsWith("stopped by the operator"));
}
