// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { RequestError, Session } from "../src/session.ts";
import { Granted } from "../src/viewing/granted.ts";

function setUp(answers: (path: string, body: Record<string, unknown>) => unknown) {
  const asked: { path: string; body: Record<string, unknown> }[] = [];
  const room = {
    ask: async (_method: string, path: string, body?: unknown) => {
      asked.push({ path, body: (body ?? {}) as Record<string, unknown> });
      return answers(path, (body ?? {}) as Record<string, unknown>);
    },
  };
  const granted = new Granted({
    room,
    random: (bytes) => bytes.fill(7),
    digest: async (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()).buffer as ArrayBuffer,
  });
  return { granted, asked };
}

const answer = (id: string, grant: string) => ({ id, grant, expires_us: 0, media_port: 1, live: [], replay: [], recorded: [], export: [], refused: [] });

test("the secret stays in the page: the control room gets its digest, the recorder gets it with the grant", async () => {
  const { granted, asked } = setUp(() => answer("g1", "t1"));
  await granted.want({ live: ["market"] });
  const { secret, grant } = await granted.current(false);
  const digest = createHash("sha256").update(Buffer.from(secret, "base64url")).digest("base64url");
  assert.equal(asked[0]?.body["secret_sha256"], digest);
  assert.ok(asked.every(({ body }) => !JSON.stringify(body).includes(secret)));
  assert.equal(grant, "t1");
});

test("what is wanted later changes the same grant; where that is over, another is asked for", async () => {
  let over = false;
  const { granted, asked } = setUp((path) => {
    if (path !== "/viewing/grants" && over) throw new RequestError("missing", "This page was closed.", 404);
    return answer(path === "/viewing/grants" ? `g${over ? 2 : 1}` : "g1", "t");
  });
  await granted.want({ live: ["a"] });
  await granted.want({ live: ["b"] });
  over = true;
  const last = await granted.want({ live: ["c"] });
  assert.deepEqual(asked.map(({ path }) => path), ["/viewing/grants", "/viewing/grants/g1", "/viewing/grants/g1", "/viewing/grants"]);
  assert.deepEqual([last.id, asked.at(-1)?.body["live"]], ["g2", ["c"]]);
});

test("of wishes that wait for their turn the last one is asked for, once", async () => {
  const { granted, asked } = setUp(() => answer("g1", "t"));
  await granted.want({ live: ["a"] });
  const all = [granted.want({ live: ["b"] }), granted.want({ live: ["c"] }), granted.want({ live: ["d"] })];
  assert.deepEqual((await Promise.all(all)).map(({ id }) => id), ["g1", "g1", "g1"]);
  assert.deepEqual(asked.map(({ body }) => body["live"]), [["a"], ["d"]]);
});

test("why the first ended is said where there is no second", async () => {
  let over = false;
  const { granted } = setUp((path) => {
    if (!over) return answer("g1", "t1");
    throw path === "/viewing/grants" ? new RequestError("forbidden", "No right.", 403) : new RequestError("missing", "Your rights have changed.", 404);
  });
  await granted.want({ live: ["a"] });
  over = true;
  await assert.rejects(granted.current(true), /Your rights have changed/);
});

test("a session whose grant is refused asks its source for another, and ends with the source's words", async () => {
  const begun: string[] = [];
  let grant = "old";
  const source = {
    current: async (refused: boolean) => {
      if (grant === "none") throw new RequestError("forbidden", "You are signed out.", 401);
      if (refused) grant = "new";
      return { grant, secret: "s" };
    },
  };
  const session = new Session(source, {
    origin: "https://recorder",
    wait: async () => undefined,
    now: () => 0,
    fetch: (async (_url: string, init: RequestInit) => {
      const sent = JSON.parse(String(init.body ?? "{}")) as { grant?: string };
      if (sent.grant !== undefined) begun.push(sent.grant);
      const good = sent.grant === "new";
      const body = good ? { token: "t", now_us: 0, may: [] } : { error: { kind: "forbidden", message: "the grant was revoked" } };
      return new Response(JSON.stringify(body), { status: good ? 201 : 403 });
    }) as typeof fetch,
  });
  await session.open();
  assert.deepEqual(begun, ["old", "new"]);
  grant = "none";
  session.lost();
  await assert.rejects(session.open(), /signed out/);
  assert.deepEqual([session.state, session.reason], ["ended", "You are signed out."]);
});
