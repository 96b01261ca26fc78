/** Sends an operator's commands and keeps what became of each, newest first, so that no press is left without an answer. */
import { useEffect, useReducer } from "preact/hooks";
import { type Client, Refused } from "../api/client";
import type { Answer, Command } from "../api/types";

export type Outcome = { state: "waiting" } | { state: "answered"; answer: Answer } | { state: "refused"; text: string };

export interface Sent {
  number: number;
  text: string;
  kind: Command["kind"];
  cue: string | null;
  outcome: Outcome;
}

/** Answers that stay on the screen. */
const KEPT = 4;

export class Commander {
  sent: Sent[] = [];
  #count = 0;
  #listeners = new Set<() => void>();

  constructor(
    readonly client: Client,
    readonly run: string,
  ) {}

  async send(command: Command) {
    const cue = command.kind === "cue" ? command.name : null;
    const entry: Sent = {
      number: ++this.#count,
      text: describe(command),
      kind: command.kind,
      cue,
      outcome: { state: "waiting" },
    };
    this.#put(entry);
    try {
      this.#put({ ...entry, outcome: { state: "answered", answer: await this.client.command(this.run, command) } });
    } catch (error) {
      const problems =
        error instanceof Refused
          ? error.problems.map((problem) => ` ${problem.message}${problem.hint ? ` (${problem.hint})` : ""}`).join(";")
          : "";
      this.#put({
        ...entry,
        outcome: { state: "refused", text: (error instanceof Error ? error.message : String(error)) + problems },
      });
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #put(entry: Sent) {
    this.sent = [entry, ...this.sent.filter((other) => other.number !== entry.number)]
      .sort((a, b) => b.number - a.number)
      .slice(0, KEPT);
    for (const listener of this.#listeners) listener();
  }
}

/** The newest answers; the component draws again with each. */
export function useSent(commander: Commander): Sent[] {
  const [, redraw] = useReducer((n: number, _: null) => n + 1, 0);
  useEffect(() => commander.onChange(() => redraw(null)), [commander]);
  return commander.sent;
}

function describe(command: Command): string {
  switch (command.kind) {
    case "stop":
      return command.now ? "stop now" : "stop";
    case "cue":
      return `cue ${command.name}`;
    case "scale": {
      const what =
        command.factor !== undefined
          ? `×${command.factor}`
          : command.users !== undefined
            ? `to ${command.users} users`
            : `to ${command.rate} per second`;
      return `scale ${command.scenario ?? ""} ${what}${command.over ? ` over ${command.over}` : ""}`.replace("  ", " ");
    }
    default:
      return command.kind;
  }
}
