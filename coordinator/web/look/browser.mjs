/** A headless Chromium by way of chromedriver, with just what looking at pages needs. Both come from the system's packages. */
import { spawn } from "node:child_process";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

export async function browser({ port = 9517, width = 1600, height = 1000 } = {}) {
  const driver = spawn("chromedriver", [`--port=${port}`], { stdio: "ignore" });
  const call = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
    const { value } = await answer.json();
    if (value?.error) throw new Error(`${method} ${path}: ${value.message}`);
    return value;
  };
  await until(() =>
    call("GET", "/status").then(
      (status) => status.ready,
      () => false,
    ),
  );
  const args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", `--window-size=${width},${height}`];
  const { sessionId } = await call("POST", "/session", {
    capabilities: { alwaysMatch: { "goog:chromeOptions": { args }, "goog:loggingPrefs": { browser: "ALL" } } },
  });
  const at = `/session/${sessionId}`;
  const cdp = (cmd, params) => call("POST", `${at}/goog/cdp/execute`, { cmd, params });
  const run = (script, ...args) => call("POST", `${at}/execute/sync`, { script, args });
  const find = async (testid) =>
    (await call("POST", `${at}/element`, { using: "css selector", value: `[data-testid="${testid}"]` }))[ELEMENT];
  return {
    cdp,
    run,
    open: (url) => call("POST", `${at}/url`, { url }),
    theme: (value) => cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] }),
    size: (width, height) =>
      cdp("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false }),
    click: async (testid) => call("POST", `${at}/element/${await find(testid)}/click`, {}),
    text: async (testid) => call("GET", `${at}/element/${await find(testid)}/text`),
    key: (key) =>
      call("POST", `${at}/actions`, {
        actions: [
          {
            type: "key",
            id: "k",
            actions: [
              { type: "keyDown", value: key },
              { type: "keyUp", value: key },
            ],
          },
        ],
      }),
    screenshot: async () => Buffer.from(await call("GET", `${at}/screenshot`), "base64"),
    log: () => call("POST", `${at}/se/log`, { type: "browser" }),
    async close() {
      await call("DELETE", at).catch(() => {});
      driver.kill();
    },
  };
}

/** Waits for a condition, ten seconds at most. */
export async function until(condition, what = "condition") {
  for (const end = Date.now() + 10_000; Date.now() < end;) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}`);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
