/** What was built asks nobody else for anything, and the report has its place for the data. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const built = (name: string) => readFileSync(`dist/${name}`, "utf8");
/** Addresses that name something and are never fetched. */
const NAMES = /http:\/\/www\.w3\.org\/[\w/]+/g;

test("no file names another server", () => {
  for (const name of ["index.html", "app.js", "app.css", "report.html"]) {
    assert.deepEqual(
      built(name)
        .replace(NAMES, "")
        .match(/https?:\/\/[^\s"'`]*/g),
      null,
      name,
    );
    assert.doesNotMatch(built(name), /@import|url\((?!["']?data:)/, name);
  }
});

test("the report is one file with one place for its data, before the script that reads it", () => {
  const report = built("report.html");
  assert.equal(report.split("<!--REHEARSAL-DATA-->").length, 2);
  assert.ok(report.indexOf("<!--REHEARSAL-DATA-->") < report.indexOf("<script>"));
  assert.doesNotMatch(report, /<(?:script|link|img|iframe)[^>]+(?:src|href)=/);
  assert.doesNotMatch(report, /<!--(?:STYLE|SCRIPT)-->/);
});

test("the page loads its own files only and has no inline script, which the server's policy forbids", () => {
  const index = built("index.html");
  assert.deepEqual(
    [...index.matchAll(/<script[^>]*>(.*?)<\/script>/gs)].map((match) => match[1]),
    [""],
  );
  assert.deepEqual(
    [...index.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map((match) => match[1]),
    ["/assets/app.css", "/assets/app.js"],
  );
  assert.doesNotMatch(built("app.js"), /\beval\(|new Function\(/);
});
