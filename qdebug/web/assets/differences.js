// Layers that two recipes treat differently. Texts come from models of strangers: they are only ever set as
// textContent or title, never as HTML.

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function pills(parts) {
  const cell = make("td", "q-plans");
  const line = make("span", "q-pills");
  for (const part of parts) {
    const pill = make("span", `q-pill ${part.same ? "q-same" : part.precision}`, part.text);
    if (part.hint) pill.title = part.hint;
    line.append(pill);
  }
  cell.append(line);
  return cell;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const wrap = parentElement.querySelector(".q-scroll");
  const table = make("table", "q-rows q-differences");
  const head = make("tr");
  for (const title of ["layer", "A", "B", "A, dB", "B, dB"]) {
    const cell = make("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(head);
  for (const row of data.rows) {
    const line = make("tr");
    const name = make("td");
    const open = make("button", "q-open", row.short);
    open.type = "button";
    open.title = `${row.name}, ${row.op}`;
    open.addEventListener("click", () => setTriggerValue("open", row.name));
    name.append(open);
    line.append(name, pills(row.a), pills(row.b), make("td", "", row.sqnr_a), make("td", "", row.sqnr_b));
    table.append(line);
  }
  wrap.replaceChildren(table);
}
