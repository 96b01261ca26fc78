/** Measures an hour of a thousand agents: the work for each snapshot, the frames, and the memory after `seconds` of watching. */
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { browser, pause, until } from "./browser.mjs";

const ORIGIN = "http://127.0.0.1:7802";
const seconds = Number(process.argv[2] ?? 30);
const server = join(dirname(fileURLToPath(import.meta.url)), "../mock/server.mjs");
const mock = spawn(
  "node",
  [
    server,
    "--port",
    "7802",
    "--agents",
    "1000",
    "--minutes",
    "62",
    "--ago",
    "3600",
    "--every",
    "1000",
    "--users",
    "300000",
  ],
  { stdio: "ignore" },
);
const page = await browser({ port: 9519 });
try {
  await until(
    () =>
      fetch(ORIGIN).then(
        () => true,
        () => false,
      ),
    "the mock",
  );
  const began = Date.now();
  await page.open(`${ORIGIN}/#token=mock`);
  await until(
    () => page.run("return document.querySelector('[data-testid=chart-users] canvas') !== null"),
    "the charts",
  );
  console.log(`an hour is on the screen after ${Date.now() - began} ms`);
  await page.run(
    "window.longest = []; new PerformanceObserver((list) => list.getEntries().forEach((entry) => longest.push(entry.duration))).observe({ type: 'longtask' })",
  );
  const metrics = async () =>
    Object.fromEntries((await page.cdp("Performance.getMetrics", {})).metrics.map(({ name, value }) => [name, value]));
  await page.cdp("Performance.enable", {});
  await pause(3000);
  const before = await metrics();
  await pause(seconds * 1000);
  const after = await metrics();
  await page.cdp("HeapProfiler.collectGarbage", {});
  const settled = await metrics();
  const perSnapshot = (name) => (((after[name] - before[name]) / seconds) * 1000).toFixed(1);
  console.log(
    `per snapshot (1/s): ${perSnapshot("TaskDuration")} ms in all, ${perSnapshot("ScriptDuration")} ms script, ${perSnapshot("LayoutDuration")} ms layout`,
  );
  console.log(
    `heap: ${(settled.JSHeapUsedSize / 2 ** 20).toFixed(1)} MiB after collection, ${(after.JSHeapUsedSize / 2 ** 20).toFixed(1)} MiB before; ${after.Nodes} nodes`,
  );
  const longest = await page.run("return longest");
  console.log(`tasks over 50 ms: ${longest.length}, longest ${Math.max(0, ...longest)} ms`);
} finally {
  await page.close();
  mock.kill();
}
