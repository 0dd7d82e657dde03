// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { approvalOf } from "../src/viewing/approval.ts";

const UNTIL = Date.parse("2026-11-28T20:00:00+00:00");
const TOLD = { approval: "0195f3b4", purpose: "7", reference: "OP-1", until: "2026-11-28T20:00:00+00:00" };

function page(dataset: Record<string, string> | undefined): ParentNode {
  return { querySelector: () => (dataset === undefined ? null : { dataset }) } as unknown as ParentNode;
}

test("an approval answers until its end", () => {
  assert.deepEqual(approvalOf(page(TOLD), UNTIL - 1), { purpose: 7, reference: "OP-1", authorisation: "", approval: "0195f3b4" });
  assert.equal(approvalOf(page(TOLD), UNTIL), undefined);
});

test("where there is none, or its end cannot be read, nobody has answered", () => {
  assert.equal(approvalOf(page(undefined), 0), undefined);
  assert.equal(approvalOf(page({}), 0), undefined);
  assert.equal(approvalOf(page({ ...TOLD, until: "soon" }), 0), undefined);
});
