// Bundles the pages. First argument: the directory of the recorder's page (index.html and assets/); second: that of the
// control room's assets. Run by hatch_build.py.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
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
  metafile: true,
};

/** Beside the bundles: the licence of every package that is in them; its name where the package comes without the text. */
async function writeLicences(directory, { inputs }) {
  const packages = Object.keys(inputs).flatMap((path) => /node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  const texts = [];
  for (const folder of [...new Set(packages)].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
    const file = (await readdir(join(here, folder))).find((each) => /^licen[cs]e/i.test(each));
    const words = file === undefined ? `${license}\n` : await readFile(join(here, folder, file), "utf8");
    texts.push(`${name} ${version}\n\n${words}`);
  }
  await writeFile(join(directory, "licences.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
}

for (const directory of [recorder, control]) await rm(directory, { recursive: true, force: true });
for (const directory of [assets, control]) await mkdir(directory, { recursive: true });
const page = await build({
  ...common,
  // A worker is a file of its own: the content security policy allows workers of this origin alone, no blob.
  entryPoints: [join(here, "src/page.ts"), join(here, "src/decode-worker.ts"), join(here, "src/styles.css")],
  outdir: assets,
});
await writeLicences(assets, page.metafile);
await copyFile(join(here, "src/index.html"), join(recorder, "index.html"));
const pages = await build({
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
await writeLicences(control, pages.metafile);
const light = compile(join(here, "src/control/control.scss"), {
  loadPaths: [join(here, "node_modules")],
  style: "compressed",
  quietDeps: true,
});
await writeFile(join(control, "control.css"), light.css);
await copyFile(join(here, "src/control/overt.svg"), join(control, "overt.svg"));
