/** Asks the coordinator. Every failure is a `Refused` that says what was asked and what the answer was. */
import type {
  Answer,
  Command,
  Forecast,
  Problem,
  RunEntry,
  RunRequest,
  ScalerPicture,
  ScenarioEntry,
  Snapshot,
} from "./types";

/** A request that was not granted. `status` is 0 when the coordinator did not answer at all. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly problems: Problem[] = [],
  ) {
    super(message);
  }
}

export const REPORT_FORMATS = ["html", "json", "junit", "csv", "seconds", "hlog", "curve"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export class Client {
  /** Who gives the commands, for the run's audit log. */
  by = "dashboard";

  constructor(readonly token: string) {}

  scenarios = () => this.#json<ScenarioEntry[]>("GET", "/api/scenarios");
  runs = () => this.#json<RunEntry[]>("GET", "/api/runs");
  forecast = (request: RunRequest) => this.#json<Forecast>("POST", "/api/forecast", request);
  delete = (id: string) => this.send("DELETE", `/api/runs/${encodeURIComponent(id)}`);

  /** Starts a run and returns its id, which is also the last part of its address. */
  async start(request: RunRequest): Promise<string> {
    const answer = await this.send("POST", "/api/runs", request);
    const location = answer.headers.get("location")?.split("/").pop();
    if (location) return decodeURIComponent(location);
    return ((await answer.json()) as { id: string }).id;
  }

  timeline = (id: string, since: number, signal?: AbortSignal) =>
    this.#json<Snapshot>("GET", `/api/runs/${encodeURIComponent(id)}/timeline?since=${since}`, undefined, signal);

  /** The picture of the autoscaler with its samples from a second of run time on. */
  autoscaler = (id: string, from: number, signal?: AbortSignal) =>
    this.#json<ScalerPicture>(
      "GET",
      `/api/runs/${encodeURIComponent(id)}/autoscaler?from_s=${from}`,
      undefined,
      signal,
    );

  /** The open event stream of a run. */
  events = (id: string, signal: AbortSignal) =>
    this.send("GET", `/api/runs/${encodeURIComponent(id)}/events`, undefined, signal);

  command(id: string, command: Command): Promise<Answer> {
    const run = `/api/runs/${encodeURIComponent(id)}`;
    const { kind, ...body } = command;
    if (command.kind === "cue") return this.#json("POST", `${run}/cues/${encodeURIComponent(command.name)}`);
    return this.#json("POST", `${run}/${kind}`, Object.keys(body).length > 0 ? body : undefined);
  }

  /**
   * Saves a report as a file. A link could not carry the token, and a page opened from here would inherit our
   * content security policy, which forbids the report's own inlined script.
   */
  async saveReport(id: string, format: ReportFormat) {
    const answer = await this.send("GET", `/api/runs/${encodeURIComponent(id)}/report?format=${format}`);
    const address = URL.createObjectURL(await answer.blob());
    const link = document.createElement("a");
    link.href = address;
    link.download = `${id}.${EXTENSIONS[format]}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  async send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}`, "x-rehearsal-by": this.by };
    if (body !== undefined) headers["content-type"] = "application/json";
    const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal };
    let answer: Response;
    try {
      answer = await fetch(path, request);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refused(0, "the coordinator does not answer");
    }
    if (!answer.ok) throw await refusal(answer, `${method} ${path}`);
    return answer;
  }

  async #json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    return (await this.send(method, path, body, signal)).json() as Promise<T>;
  }
}

const EXTENSIONS: Record<ReportFormat, string> = {
  html: "html",
  json: "json",
  junit: "junit.xml",
  csv: "csv",
  seconds: "seconds.csv",
  hlog: "hlog",
  curve: "curve.csv",
};

/** What a refusing answer says, also when it says it in another form than ours. */
async function refusal(answer: Response, asked: string): Promise<Refused> {
  const text = await answer.text().catch(() => "");
  try {
    const { error, problems } = JSON.parse(text) as { error?: string; problems?: Problem[] };
    return new Refused(answer.status, error ?? `${asked}: ${answer.status}`, problems ?? []);
  } catch {
    return new Refused(answer.status, `${asked}: ${answer.status} ${answer.statusText} ${text.slice(0, 200)}`.trim());
  }
}
