// Keys of the console: ? shows them, / searches, j and k walk through rows, Enter follows one.
// They can be turned off (WCAG 2.1.4), and never stand between somebody and a field.
(() => {
  "use strict";
  const KEPT = "echelon-keys";
  const dialog = document.getElementById("keys");
  const button = document.getElementById("show-keys");
  if (!dialog || !button) return;
  const box = dialog.querySelector("input");
  let isOn = true;
  try {
    isOn = localStorage.getItem(KEPT) !== "off";
  } catch {}
  box.checked = isOn;
  box.addEventListener("change", () => {
    isOn = box.checked;
    try {
      localStorage.setItem(KEPT, isOn ? "on" : "off");
    } catch {}
  });
  button.hidden = false;
  button.addEventListener("click", () => dialog.showModal());

  const step = (by) => {
    const rows = [...document.querySelectorAll("a[data-row]")].filter((row) => row.offsetParent);
    const here = rows.indexOf(document.activeElement);
    const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : here + by;
    const row = rows[Math.min(Math.max(next, 0), rows.length - 1)];
    if (row) {
      row.focus();
      row.scrollIntoView({ block: "nearest" });
    }
  };
  const actions = {
    "?": () => dialog.showModal(),
    "/": () => document.querySelector("input[type=search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable], dialog");
    if (!isOn || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
      return;
    }
    const action = actions[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();
