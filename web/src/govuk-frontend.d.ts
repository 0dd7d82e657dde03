// SPDX-License-Identifier: Apache-2.0
// What is used of GOV.UK Frontend, which brings no types.
declare module "govuk-frontend" {
  export function initAll(): void;
}
