// SPDX-License-Identifier: Apache-2.0
// What every light page loads: the behaviour of GOV.UK Frontend's components, and passkeys.

import { initAll } from "govuk-frontend";
import "./refreshing.ts";
import "./keyframe.ts";
import "./passkeys.ts";
import "./scrolling.ts";

document.body.classList.add("js-enabled", "govuk-frontend-supported");
initAll();
