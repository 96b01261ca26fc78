/** The feed fetches the autoscaler when a snapshot says that there is something new, and goes on when that fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunNow, ScalerPicture, Snapshot } from "../src/api/types";
import { type Client, Refused } from "../src/api/client";
import { Feed } from "../src/api/feed";
import { emptyRun } from "../src/model/empty";
import { RunStore } from "../src/model/store";

/** Plays a run that is over to a feed, and lists the instants from which its autoscaler was asked for. */
async function played(autoscaler: RunNow["autoscaler"], answer: () => Promise<ScalerPicture>) {
  const asked: number[] = [];
  const run: RunNow = { ...emptyRun("r"), state: "judged", autoscaler };
  const snapshot: Snapshot = { revision: 1, since: 0, made_at: 0, run, seconds: [] };
  const client = {
    timeline: () => Promise.resolve(snapshot),
    autoscaler: (_: string, from: number) => {
      asked.push(from);
      return answer();
    },
  };
  const store = new RunStore(emptyRun("r"));
  await new Feed(store, client as unknown as Client, assert.fail).run();
  return { asked, store };
}

const picture = { to_s: 9, load: [], series: { ready: [[0, 3]] } } as unknown as ScalerPicture;

test("the autoscaler is asked for when there is one, and once", async () => {
  const { asked, store } = await played({ revision: 4, last_s: 9 }, () => Promise.resolve(picture));
  assert.deepEqual([asked, store.scaler.revision, store.scaler.values("ready", 0, 1)], [[0], 4, [3]]);
  assert.deepEqual((await played(null, assert.fail)).asked, [], "nobody observes it");
});

test("a refused picture takes nothing else off the screen", async () => {
  const { asked, store } = await played({ revision: 4, last_s: 9 }, () => Promise.reject(new Refused(404, "none")));
  assert.deepEqual([asked.length > 0, store.scaler.picture, store.connection.state], [true, null, "over"]);
});
