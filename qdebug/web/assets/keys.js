// Keys that work everywhere but in fields: each is told to the server by name, or finds its place on the page.

const TOLD = { j: "next", k: "previous", f: "weight", F: "weight back", a: "input", A: "input back", z: "undo", Z: "redo" };
const STEPS = { j: 1, k: -1 };
const PLACES = { "/": ".st-key-find-layer input", "?": ".st-key-keys-help button" };
const FIELDS = "input, textarea, select, [contenteditable=true], [role=combobox], [role=listbox], [role=slider]";

export default function ({ setTriggerValue }) {
  const press = (event) => {
    const target = event.composedPath()[0];
    if (event.altKey || event.metaKey || event.ctrlKey || event.defaultPrevented) return;
    if (target.closest?.(FIELDS) || document.querySelector('[role=dialog][aria-modal=true], [data-testid="stDialog"]')) return;
    if (PLACES[event.key]) {
      const place = document.querySelector(PLACES[event.key]);
      if (!place) return;
      event.preventDefault();
      event.key === "/" ? place.focus() : place.click();
    } else if (TOLD[event.key]) {
      event.preventDefault();
      const way = STEPS[event.key];
      const asked = way && new CustomEvent("qdebug-step", { detail: way, cancelable: true });
      if (asked && !window.dispatchEvent(asked)) return;  // a table has taken it: it knows in what order its rows are
      setTriggerValue("press", TOLD[event.key]);
    }
  };
  window.addEventListener("keydown", press);
  return () => window.removeEventListener("keydown", press);
}
