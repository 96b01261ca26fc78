/** Bundles the dashboard and the report page into dist/, or with `--tests` the unit tests into .test/. */
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(fileURLToPath(import.meta.url));
const DIST = join(ROOT, "dist");

/** What every bundle shares. Nothing in it depends on the machine or the hour, so the same source gives the same bytes. */
const shared = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
};

/** The bundled text of one entry point. */
async function bundled(entry, format) {
  const { outputFiles } = await build({ ...shared, entryPoints: [entry], format, write: false, outdir: "dist" });
  return outputFiles[0].text;
}

/** Inlined text must not end the element that holds it. */
const withoutEnd = (text, element) => text.replaceAll(`</${element}`, `<\\/${element}`);

async function pages() {
  await rm(DIST, { recursive: true, force: true });
  await mkdir(DIST);
  const [app, report, css, index, template] = await Promise.all([
    bundled("src/main.tsx", "esm"),
    bundled("src/report/main.tsx", "iife"),
    bundled("src/styles/all.css"),
    readFile(join(ROOT, "pages/index.html"), "utf8"),
    readFile(join(ROOT, "pages/report.html"), "utf8"),
  ]);
  // Functions, because a plain replacement text would give `$&` in the bundle a meaning.
  const selfContained = template
    .replace("<!--STYLE-->", () => `<style>${css}</style>`)
    .replace("<!--SCRIPT-->", () => `<script>${withoutEnd(report, "script")}</script>`);
  const files = { "index.html": index, "app.js": app, "app.css": css, "report.html": selfContained };
  for (const [name, text] of Object.entries(files)) await writeFile(join(DIST, name), text);
  for (const name of Object.keys(files)) console.log(`${name}: ${(await stat(join(DIST, name))).size} bytes`);
}

async function tests() {
  await rm(join(ROOT, ".test"), { recursive: true, force: true });
  const names = (await readdir(join(ROOT, "test"))).filter((name) => name.endsWith(".test.ts"));
  const entryPoints = names.map((name) => `test/${name}`);
  await build({
    ...shared,
    minify: false,
    entryPoints,
    platform: "node",
    format: "esm",
    outdir: ".test",
    outExtension: { ".js": ".mjs" },
  });
}

await (process.argv.includes("--tests") ? tests() : pages());
