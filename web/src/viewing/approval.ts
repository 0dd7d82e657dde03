// SPDX-License-Identifier: Apache-2.0
// The approval for a shift that a page shows at its head: while it holds, it answers for what purpose somebody looks back.

import type { Why } from "./room.ts";

/** The approval for a shift that a page shows, while it holds. Times in milliseconds since the Unix epoch. */
export function approvalOf(page: ParentNode, now: number): Why | undefined {
  const told = page.querySelector<HTMLElement>("section.shift")?.dataset;
  if (told?.["approval"] === undefined || !(Date.parse(told["until"] ?? "") > now)) return undefined;
  return { purpose: Number(told["purpose"]), reference: told["reference"] ?? "", authorisation: "", approval: told["approval"] };
}
