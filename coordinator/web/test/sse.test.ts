/** An event stream comes in pieces that know nothing of lines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamParser } from "../src/api/sse";

const STREAM =
  ': keep-alive\n\nid: 7\ndata: {"a":1}\n\nevent: note\r\ndata: two\r\ndata: lines\r\n\r\ndata:no space\rdata: é\r\rretry: 5\nunknown\n\nevent: end\n\n';
const EVENTS = [
  { event: "message", data: '{"a":1}', id: "7" },
  { event: "note", data: "two\nlines", id: "7" },
  { event: "message", data: "no space\né", id: "7" },
  { event: "end", data: "", id: "7" },
];

test("every way of cutting a stream gives the same events", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const parser = new EventStreamParser();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...parser.push(STREAM.slice(at, at + size)));
    assert.deepEqual(events, EVENTS, `in pieces of ${size}`);
  }
});

test("an event that is not finished is not given", () => {
  assert.deepEqual(new EventStreamParser().push("data: half\n"), []);
});
