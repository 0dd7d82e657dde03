// Bundles the pages. First argument: the directory of the recorder's page (index.html and assets/); second: that of the
// control room's assets. Run by hatch_build.py.
import { build } from "esbuild";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "sass";

const here = fileURLToPath(new URL(".", import.meta.url));
const [recorder, control] = process.argv.slice(2);
if (recorder === undefined || control === undefined) throw new Error("usage: build.mjs RECORDER_DIR CONTROL_DIR");
const assets = join(recorder, "assets");
const common = {
  bundle: true,
  format: "esm",
  target: ["chrome111", "firefox115", "safari16.4"],
  minify: true,
  sourcemap: false,
  legalComments: "linked",
  logLevel: "warning",
};

for (const directory of [recorder, control]) await rm(directory, { recursive: true, force: true });
for (const directory of [assets, control]) await mkdir(directory, { recursive: true });
await build({
  ...common,
  // A worker is a file of its own: the content security policy allows workers of this origin alone, no blob.
  entryPoints: [join(here, "src/page.ts"), join(here, "src/decode-worker.ts"), join(here, "src/styles.css")],
  outdir: assets,
});
await copyFile(join(here, "src/index.html"), join(recorder, "index.html"));
await build({
  ...common,
  entryPoints: [
    join(here, "src/control/control.ts"),
    join(here, "src/decode-worker.ts"),
    join(here, "src/viewing/wall-page.ts"),
    join(here, "src/viewing/review-page.ts"),
    join(here, "src/viewing/plan-page.ts"),
    join(here, "src/viewing/plan-change.ts"),
    join(here, "src/custody/custody-page.ts"),
    join(here, "src/viewing/viewing.css"),
  ],
  entryNames: "[name]",
  outdir: control,
});
const light = compile(join(here, "src/control/control.scss"), {
  loadPaths: [join(here, "node_modules")],
  style: "compressed",
  quietDeps: true,
});
await writeFile(join(control, "control.css"), light.css);
await copyFile(join(here, "src/control/overt.svg"), join(control, "overt.svg"));
