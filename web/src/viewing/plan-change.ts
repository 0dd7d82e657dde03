// SPDX-License-Identifier: Apache-2.0
// Putting cameras on a floor plan by pointing at it. The number fields of the form are what is sent: they can be filled in
// without this, and this does no more than fill them in.

const plan = document.querySelector<HTMLElement>("[data-plan]");
const said = document.querySelector<HTMLElement>("[data-said]");
const rows = [...document.querySelectorAll<HTMLElement>("[data-camera]")];

function field(row: HTMLElement, name: string): HTMLInputElement | null {
  return row.querySelector<HTMLInputElement>(`[name$="-${name}"]`);
}

/** The camera that a click on the plan places. */
function chosen(): HTMLElement | undefined {
  return rows.find((row) => row.querySelector<HTMLInputElement>("[name=placing]")?.checked === true);
}

function draw(): void {
  for (const row of rows) {
    const dot = document.querySelector<SVGGElement>(`[data-pin="${CSS.escape(row.dataset["camera"] ?? "")}"]`);
    const [x, y, direction] = ["x", "y", "direction"].map((name) => Number(field(row, name)?.value ?? 0));
    const on = field(row, "on")?.checked === true && field(row, "x")?.value !== "";
    if (dot === null || plan === null) continue;
    dot.toggleAttribute("hidden", !on);
    dot.style.display = on ? "" : "none";
    const { width, height } = plan.querySelector("svg")?.viewBox.baseVal ?? { width: 100, height: 100 };
    const place = `translate(${(Number(x) / 100) * width} ${(Number(y) / 100) * height})`;
    dot.setAttribute("transform", `${place} scale(${Math.max(width, height) / 100})`);
    dot.querySelector("path")?.setAttribute("transform", `rotate(${direction})`);
  }
}

plan?.addEventListener("click", (event) => {
  const row = chosen();
  if (row === undefined) {
    if (said !== null) said.textContent = "Choose first which camera to place: “Place by clicking”.";
    return;
  }
  const box = plan.getBoundingClientRect();
  const [x, y, on] = [field(row, "x"), field(row, "y"), field(row, "on")];
  if (x === null || y === null || on === null) return;
  x.value = (((event.clientX - box.left) / box.width) * 100).toFixed(1);
  y.value = (((event.clientY - box.top) / box.height) * 100).toFixed(1);
  on.checked = true;
  if (said !== null) said.textContent = `${row.dataset["name"]} placed: ${x.value} % from the left, ${y.value} % from the top.`;
  draw();
});
for (const row of rows) row.addEventListener("input", draw);
draw();
