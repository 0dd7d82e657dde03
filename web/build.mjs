// Bundles the page into the directory named by the first argument: index.html and assets/. Run by hatch_build.py.
import { build } from "esbuild";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = process.argv[2] ?? join(here, "dist");
const assets = join(out, "assets");

await rm(out, { recursive: true, force: true });
await mkdir(assets, { recursive: true });
await build({
  // A worker is a file of its own: the content security policy allows workers of this origin alone, no blob.
  entryPoints: [
    join(here, "src/page.ts"),
    join(here, "src/decode-worker.ts"),
    join(here, "src/styles.css"),
  ],
  outdir: assets,
  bundle: true,
  format: "esm",
  target: ["chrome111", "firefox115", "safari16.4"],
  minify: true,
  sourcemap: false,
  legalComments: "linked",
  logLevel: "warning",
});
await copyFile(join(here, "src/index.html"), join(out, "index.html"));
