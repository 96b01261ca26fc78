/**
 * Takes pictures of every screen in both themes into look/shots/ and lets axe-core look for obstacles. It plays the mock
 * itself; needs `chromium` and `chromedriver`. Ends with 1 when axe finds something serious or a page reports an error.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { browser, pause, until } from "./browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const shots = join(here, "shots");
const axe = await readFile(join(here, "../node_modules/axe-core/axe.min.js"), "utf8");
const ORIGIN = "http://127.0.0.1:7801";
let failed = false;

async function mock(...options) {
  const server = spawn("node", [join(here, "../mock/server.mjs"), "--port", "7801", ...options], { stdio: "ignore" });
  await until(
    () =>
      fetch(ORIGIN).then(
        () => true,
        () => false,
      ),
    "the mock",
  );
  return () =>
    new Promise((resolve) => {
      server.once("exit", resolve);
      server.kill();
    });
}

/** A picture, and what axe says of the page. */
async function look(page, name, full = false) {
  if (full)
    await page.size(page.width ?? 1600, Math.min(6000, await page.run("return document.documentElement.scrollHeight")));
  if (full) await pause(700);
  await writeFile(join(shots, `${name}.png`), await page.screenshot());
  await page.run(axe);
  const found = await page.run(
    "return axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes.slice(0, 4).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? ''))]))",
  );
  const serious = found.filter(([impact]) => impact === "serious" || impact === "critical");
  if (serious.length > 0) failed = true;
  const wide = await page.run("return document.documentElement.scrollWidth > innerWidth");
  console.log(
    name,
    found.length === 0 ? "axe: nothing" : JSON.stringify(found, null, 1),
    wide ? "SCROLLS SIDEWAYS" : "",
  );
}

async function dashboard(page, theme) {
  await page.theme(theme);
  await page.size(1600, 1000);
  let end = await mock("--ago", "106", "--agents", "6");
  await page.open(`${ORIGIN}/?${theme}`);
  await page.run("sessionStorage.clear()");
  await page.open(`${ORIGIN}/?${theme}2`);
  await look(page, `token-${theme}`);
  await page.open(`${ORIGIN}/#token=mock`);
  await until(
    () =>
      page.run("return document.querySelector('[data-testid=state]') !== null && location.hash.startsWith('#/runs/')"),
    "the run",
  );
  await pause(1500);
  await look(page, `run-${theme}`);
  await page.click("cue-close_vote");
  await pause(300);
  await look(page, `armed-${theme}`);
  await page.click("cue-close_vote");
  await until(async () => (await page.text("answer")).includes("was fired"), "the answer");
  await page.size(1600, 1000);
  await look(page, `whole-${theme}`, true);
  await page.size(1600, 1000);
  await page.key("w");
  await pause(700);
  await look(page, `wall-${theme}`);
  await page.key("w");
  await page.size(400, 860);
  await pause(600);
  await look(page, `phone-${theme}`);
  page.width = 400;
  await look(page, `phone-whole-${theme}`, true);
  page.width = undefined;
  await page.size(1280, 900);
  await page.click("stop");
  await pause(300);
  await look(page, `stop-${theme}`);
  await page.click("stop-cancel");
  await fetch(`${ORIGIN}/mock/drop?s=9`, { method: "POST" });
  await pause(6500);
  await look(page, `stale-${theme}`);
  await until(() => page.run("return document.querySelector('[data-testid=stale]') === null"), "the reconnection");
  await end();
  end = await mock("--idle");
  await page.size(1600, 1000);
  await page.open(`${ORIGIN}/?${theme}3#token=mock`);
  await until(() => page.run("return document.querySelector('[data-testid=start]') !== null"), "the forecast");
  await look(page, `choose-${theme}`);
  await page.run(
    "const s = document.querySelector('[data-testid=scenario]'); s.value = 'broken'; s.dispatchEvent(new Event('change', { bubbles: true }))",
  );
  await until(() => page.run("return document.querySelector('[data-testid=refused]') !== null"), "the refusal");
  await look(page, `refused-${theme}`);
  await end();
}

async function report(page, theme) {
  const { stdout } = spawnSync("node", [join(here, "../mock/report.mjs")], { maxBuffer: 1 << 26 });
  await writeFile(join(shots, "report.html"), stdout);
  await page.theme(theme);
  await page.size(1300, 1000);
  await page.open(`file://${join(shots, "report.html")}`);
  await pause(500);
  await look(page, `report-${theme}`);
  page.width = 1300;
  await look(page, `report-whole-${theme}`, true);
  page.width = undefined;
  await page.size(1300, 1000);
  await page.click("finding-0");
  await pause(500);
  await look(page, `report-finding-${theme}`);
  const requests = await page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)");
  if (requests.length > 0) {
    failed = true;
    console.log("the report asked for", requests);
  }
}

await mkdir(shots, { recursive: true });
const page = await browser();
try {
  for (const theme of process.argv.slice(2).length > 0 ? process.argv.slice(2) : ["dark", "light"]) {
    await dashboard(page, theme);
    await report(page, theme);
  }
  const errors = (await page.log()).filter(
    (entry) => entry.level === "SEVERE" && !/ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|422|404/.test(entry.message),
  );
  if (errors.length > 0) {
    failed = true;
    console.log(errors.map((entry) => entry.message).join("\n"));
  }
} finally {
  await page.close();
}
process.exitCode = failed ? 1 : 0;
