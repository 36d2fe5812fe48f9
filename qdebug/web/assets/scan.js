// Tensors of a checkpoint. Texts come from files of strangers: they are only ever set as textContent or title, never as
// HTML. A click on a title sorts by it, largest first, a second click the other way; what has no number comes last.

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const NAMES = [0, 2];

function compare(column, down) {
  return (one, two) => {
    const a = one.cells[column].order;
    const b = two.cells[column].order;
    if (a === null || b === null) return (a === null) - (b === null);
    const way = a < b ? -1 : a > b ? 1 : 0;
    return down ? -way : way;
  };
}

function line(row, chosen, open) {
  const made = make("tr", row.name === chosen ? "q-chosen" : "");
  row.cells.forEach((cell, place) => {
    const box = make("td", cell.bad ? "q-bad" : "");
    if (place === 0) {
      const button = make("button", "q-open", cell.text);
      button.type = "button";
      button.title = cell.title;
      if (row.name === chosen) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => open(row.name));
      box.append(button);
    } else {
      box.textContent = cell.text;
    }
    made.append(box);
  });
  return made;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const wrap = parentElement.querySelector(".q-scroll");
  const kept = wrap.sorted ?? { column: -1, down: true };
  const draw = () => {
    const table = make("table", "q-rows q-tensors");
    const head = make("tr");
    data.heads.forEach((title, column) => {
      const cell = make("th");
      cell.scope = "col";
      const mine = kept.column === column;
      if (mine) cell.setAttribute("aria-sort", kept.down ? "descending" : "ascending");
      const button = make("button", "q-open", title + (mine ? (kept.down ? " ↓" : " ↑") : ""));
      button.type = "button";
      button.addEventListener("click", () => {
        kept.down = mine ? !kept.down : !NAMES.includes(column);
        kept.column = column;
        draw();
        wrap.querySelectorAll("th button")[column].focus();
      });
      cell.append(button);
      head.append(cell);
    });
    table.append(head);
    const rows = kept.column < 0 ? data.rows : [...data.rows].sort(compare(kept.column, kept.down));
    for (const row of rows) table.append(line(row, data.chosen, (name) => setTriggerValue("open", name)));
    wrap.replaceChildren(table);
    wrap.sorted = kept;
  };
  const top = wrap.scrollTop;
  draw();
  wrap.scrollTop = top;
}
