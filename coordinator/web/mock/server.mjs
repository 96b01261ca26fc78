/**
 * Serves dist/ and plays the API, to look at the dashboard without a cluster:
 * `npm run mock -- [--port 7799] [--agents 2] [--minutes 3] [--ago seconds] [--users 2000]`. The token is `mock`.
 * `POST /mock/freeze?s=8` stops sending for so long, `POST /mock/drop?s=8` refuses all requests.
 */
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MockRun } from "./model.mjs";
import { runNow, secondsSince } from "./run.mjs";
import { scaler } from "./scaler.mjs";
import { forecast, refusal, scenarios } from "./plan.mjs";

const option = (name, otherwise) => Number(process.argv[process.argv.indexOf(`--${name}`) + 1] ?? NaN) || otherwise;
const dist = join(dirname(fileURLToPath(import.meta.url)), "../dist");
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css" };
const CSP =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

const ago = option("ago", 0);
let run = process.argv.includes("--idle")
  ? null
  : new MockRun({
      users: option("users", 2000),
      agents: option("agents", 2),
      minutes: option("minutes", 3),
      startedAt: Date.now() / 1000 - ago,
    });
if (run && ago > run.length * 0.5) run.fire("open_vote", Math.round(run.length * 0.5), "plan");
const past = ["pass", "fail", "inconclusive"].map((verdict, i) => ({
  id: `2026-11-${18 + i}-2101-a${i}`,
  scenario: "broadcast_vote",
  environment: i === 2 ? "stress" : "dev",
  state: "judged",
  live: false,
  started_at: `2026-11-${18 + i}T21:01:00Z`,
  duration_s: 127 + i * 61,
  users: 2000 * (i + 1),
  verdict,
}));
let [frozenUntil, downUntil] = [0, 0];

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://mock");
  const json = (status, body, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  if (url.pathname.startsWith("/mock/")) return trouble(url, json);
  if (Date.now() < downUntil) return request.socket.destroy();
  if (!url.pathname.startsWith("/api/")) return asset(url.pathname, response);
  if (request.headers.authorization !== "Bearer mock")
    return json(401, { error: "the token is missing or wrong", problems: [] });
  const body = await text(request);
  const route = `${request.method} ${url.pathname}`;
  if (route === "GET /api/scenarios") return json(200, scenarios);
  if (route === "POST /api/forecast")
    return body.includes('"broken"') ? json(422, refusal) : json(200, forecast(JSON.parse(body)));
  if (route === "POST /api/runs") {
    run = new MockRun({ agents: option("agents", 2), minutes: option("minutes", 3) });
    return json(201, { id: run.id }, { location: `/api/runs/${run.id}` });
  }
  if (route === "GET /api/runs") return json(200, run ? [entry(), ...past] : past);
  const [, id, action, name] = /^\/api\/runs\/([^/]+)\/?([^/]*)\/?(.*)$/.exec(url.pathname) ?? [];
  if (request.method === "DELETE") {
    past.splice(
      past.findIndex((each) => each.id === id),
      1,
    );
    response.writeHead(204);
    return response.end();
  }
  if (!run || id !== run.id) return json(404, { error: `there is no run ${id}`, problems: [] });
  if (action === "timeline") return json(200, snapshot(Number(url.searchParams.get("since"))));
  if (action === "autoscaler") return json(200, scaler(run, run.now(), Number(url.searchParams.get("from_s"))));
  if (action === "events") return stream(request, response);
  if (request.method === "POST")
    return command(action, decodeURIComponent(name), body, request.headers["x-rehearsal-by"], json);
  return json(200, runNow(run));
});

const entry = () => {
  const { id, scenario, environment, state, started_at, verdict } = runNow(run);
  return {
    id,
    scenario,
    environment,
    state,
    live: state !== "judged",
    started_at,
    duration_s: run.now(),
    users: run.users,
    verdict,
  };
};

/** Revisions are quarter seconds of run time; what changed since one are the seconds not settled by then. */
function snapshot(since) {
  const revision = Math.max(1, Math.ceil((Date.now() / 1000 - run.startedAt) * 4));
  return {
    revision,
    since,
    made_at: Date.now() / 1000 - 4321,
    run: runNow(run),
    seconds: secondsSince(run, Math.max(0, Math.floor(since / 4) - 5)),
  };
}

function stream(request, response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let last = snapshot(0).revision;
  const timer = setInterval(
    () => {
      if (Date.now() < downUntil) return request.socket.destroy();
      if (Date.now() < frozenUntil) return;
      const next = snapshot(last);
      last = next.revision;
      response.write(`id: ${next.revision}\ndata: ${JSON.stringify(next)}\n\n`);
      if (next.run.state === "judged") {
        response.end("event: end\ndata: over\n\n");
        clearInterval(timer);
      }
    },
    option("every", 500),
  );
  request.on("close", () => clearInterval(timer));
}

function command(action, name, body, by, json) {
  const now = run.now(),
    at = now + 0.3;
  if (run.state(now) !== "running")
    return json(409, { error: `the run is ${run.state(now)}; it takes no more commands`, problems: [] });
  const asked = body ? JSON.parse(body) : {};
  const texts = {
    stop: "users leave",
    pause: "arrivals are paused; the plan's time stands still",
    resume: "arrivals go on where they stood",
    scale: "what is left to come is scaled",
    cues: `${name} was fired`,
  };
  if (action === "cues") run.fire(name, at, by);
  else run.events.push({ at_s: at, kind: "control", who: by, text: `${action} ${body}` });
  if (action === "stop") run.stoppedAt = at;
  if (action === "pause" || action === "resume") run.paused = action === "pause";
  const agents = run.agentsNow(now).map((agent) => agent.id);
  const pending = agents.length > 100 ? agents.slice(0, 5) : asked.factor === 0 ? [agents[0]] : [];
  setTimeout(
    () =>
      json(200, {
        command: action,
        by,
        version: ++run.version,
        at_s: at,
        applied: agents.filter((id) => !pending.includes(id)).map((agent) => ({ agent, at_s: at, missed: 0 })),
        pending,
        text: texts[action],
      }),
    350,
  );
}

function trouble(url, json) {
  const until = Date.now() + 1000 * Number(url.searchParams.get("s") ?? 8);
  if (url.pathname === "/mock/freeze") frozenUntil = until;
  if (url.pathname === "/mock/drop") downUntil = until;
  json(200, { frozenUntil, downUntil });
}

async function asset(path, response) {
  const name = path === "/" ? "index.html" : path.replace(/^\/assets\//, "").replaceAll("/", "");
  try {
    const body = await readFile(join(dist, name));
    response.writeHead(200, { "content-type": TYPES[name.split(".").pop()], "content-security-policy": CSP });
    response.end(body);
  } catch {
    response.writeHead(404);
    response.end();
  }
}

async function text(request) {
  let all = "";
  for await (const part of request) all += part;
  return all;
}

server.listen(option("port", 7799), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${option("port", 7799)}/#token=mock`),
);
