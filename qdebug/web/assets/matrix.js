// Layers by formats. Only the rows in sight are in the page, so that a thousand layers scroll as lightly as ten.
// Texts come from models of strangers: they are only ever set as textContent, title or aria-label, never as HTML.

const SPARE = 12;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function makeCell() {
  const cell = make("td", "cell");
  const top = make("div", "top");
  top.append(make("span", "odd"), make("span", "about"), make("span", "figure"));
  const track = make("span", "track");
  track.append(make("span", "bar"));
  cell.append(top, make("div", "below"), track);
  return cell;
}

function makeRow(count) {
  const row = make("tr");
  const name = make("td", "c-name");
  const open = make("button");
  open.type = "button";
  name.append(open);
  row.append(name);
  for (let at = 0; at < count; at++) row.append(makeCell());
  const now = make("td", "c-now");
  const label = make("label", "pick");
  const pill = make("span", "pill");
  pill.setAttribute("aria-hidden", "true");
  label.append(pill, make("select"));
  now.append(label);
  row.append(now);
  return row;
}

function fillCell(node, cell, format, name) {
  const [odd, about, figure] = node.firstChild.children;
  const bar = node.lastChild.firstChild;
  const empty = !cell || !cell.text;
  node.className = "cell " + (empty ? "none" : cell.measured ? "measured" : "predicted");
  node.classList.toggle("partial", !empty && cell.partial);
  setText(node.children[1], empty ? "" : cell.below);
  setText(odd, cell?.odd ? "◆" : "");
  setText(about, empty || cell.measured ? "" : "≈");
  setText(figure, empty ? (cell ? "–" : "") : cell.text);
  bar.className = "bar " + format.precision;
  bar.style.width = Math.max(0, Math.min(1, cell?.part ?? 0)) * 100 + "%";
  bar.hidden = empty || !cell.part;
  node.title = cell ? `${name} in ${format.name}\n${cell.hint}` : "";
}

function fillMenu(select, row, data) {
  const wanted = JSON.stringify([row.same, row.refused, data.menu]);
  if (select.dataset.made === wanted) return;
  select.dataset.made = wanted;
  select.replaceChildren();
  const names = data.menu.includes(row.same) ? data.menu : [row.same, ...data.menu];
  for (const name of names) {
    const option = make("option", "", name);
    option.value = name;
    option.disabled = row.refused.includes(name);
    select.append(option);
  }
  select.value = row.same;
}

function fillRow(node, row, state) {
  const { data } = state;
  const cells = [...node.children];
  node.dataset.name = row.name;
  node.setAttribute("aria-label", row.name);
  node.classList.toggle("chosen", row.name === data.chosen);
  const open = cells[0].firstChild;
  setText(open, row.short);
  open.title = `${row.name} · ${row.op}\nclick to open it on the Layers screen`;
  data.formats.forEach((format, at) => fillCell(cells[at + 1], row.cells[at], format, row.name));
  const pill = cells.at(-1).querySelector(".pill");
  const select = cells.at(-1).querySelector("select");
  setText(pill, row.now);
  pill.className = "pill " + row.precision;
  select.setAttribute("aria-label", `put ${row.name} in`);
  select.title = "put this layer in another format, in the recipe at hand";
  select.dataset.layer = row.name;
  fillMenu(select, row, data);
}

function ordered(state) {
  const { data, sort } = state;
  if (sort.at === null || sort.at >= data.formats.length) return data.rows;
  const value = (row) => row.cells[sort.at]?.order ?? -1;
  return [...data.rows].sort((a, b) => sort.way * (value(a) - value(b)));
}

function arrange(state) {
  // While results come in, rows keep their places: nothing moves away under a pointer.
  const names = state.data.rows.map((row) => row.name);
  const key = JSON.stringify([state.sort, state.data.formats.map((one) => one.name), names]);
  const hollow = state.data.rows.every((row) => row.cells.every((cell) => !cell));
  if (state.data.working && state.arranged === key && !state.hollow) {
    const rows = new Map(state.data.rows.map((row) => [row.name, row]));
    state.rows = state.rows.map((row) => rows.get(row.name));
  } else state.rows = ordered(state);
  state.arranged = key;
  state.hollow = hollow;
}

function drawRows(state) {
  const { body, wrap, rows } = state;
  const height = state.height || 36;
  const first = Math.max(0, Math.floor(wrap.scrollTop / height) - SPARE);
  const last = Math.min(rows.length, Math.ceil((wrap.scrollTop + (wrap.clientHeight || 800)) / height) + SPARE);
  const shown = rows.slice(first, last);
  while (body.children.length - 2 < shown.length) body.insertBefore(makeRow(state.data.formats.length), body.lastChild);
  while (body.children.length - 2 > shown.length) body.children[1].remove();
  shown.forEach((row, at) => {
    let node = body.children[at + 1];
    if (node.children.length !== state.data.formats.length + 2) {
      const fresh = makeRow(state.data.formats.length);
      node.replaceWith(fresh);
      node = fresh;
    }
    fillRow(node, row, state);
    node.setAttribute("aria-rowindex", String(first + at + 2));
  });
  body.firstChild.firstChild.style.height = first * height + "px";
  body.lastChild.firstChild.style.height = (rows.length - last) * height + "px";
  if (!state.height && shown.length) {
    state.height = body.children[1].getBoundingClientRect().height || 0;
    if (state.height && state.height !== height) drawRows(state);
  }
}

function headCell(state, text, at, precision, hint) {
  const cell = make("th", at === null ? "" : "num");
  cell.scope = "col";
  const button = make("button");
  button.type = "button";
  if (precision) button.append(make("span", "tone " + precision));
  button.append(make("span", "", text));
  button.title = hint;
  button.onclick = () => {
    state.sort = at === null ? { at: null, way: -1 } : { at, way: state.sort.at === at ? -state.sort.way : -1 };
    state.picked = true;
    state.arranged = "";
    draw(state);
  };
  const on = state.sort.at === at;
  cell.setAttribute("aria-sort", !on ? "none" : at !== null && state.sort.way < 0 ? "descending" : "ascending");
  button.dataset.way = !on ? "" : at !== null && state.sort.way < 0 ? "↓" : "↑";
  cell.append(button);
  return cell;
}

function drawHead(state) {
  const made = JSON.stringify([state.sort, state.data.formats]);
  if (state.head.dataset.made === made) return;
  state.head.dataset.made = made;
  const heads = [headCell(state, "layer", null, "", "click for the order of the graph")];
  state.data.formats.forEach((one, at) => heads.push(headCell(state, one.name, at, one.precision, "error with only the layer in this format; click to sort")));
  const now = make("th", "");
  const words = make("button", "", "in the recipe");
  words.type = "button";
  words.title = "the layer's format in the recipe at hand; pick another one to put it there";
  now.append(words);
  state.head.replaceChildren(...heads, now);
}

function draw(state) {
  arrange(state);
  drawHead(state);
  state.table.setAttribute("aria-rowcount", String(state.rows.length + 1));
  drawRows(state);
}

function build(wrap) {
  const table = make("table");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", "Sensitivity of layers by format");
  const thead = make("thead");
  const head = make("tr");
  thead.append(head);
  const body = make("tbody");
  for (const _ of [0, 1]) {
    const gap = make("tr", "gap");
    gap.setAttribute("aria-hidden", "true");
    gap.append(make("td"));
    body.append(gap);
  }
  table.append(thead, body);
  wrap.replaceChildren(table);
  const state = { wrap, table, head, body, rows: [], sort: { at: null, way: -1 }, picked: false, arranged: "", hollow: true, height: 0 };
  let waiting = false;
  wrap.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawRows(state); });
  });
  new ResizeObserver(() => state.data && drawRows(state)).observe(wrap);
  body.addEventListener("click", (event) => {
    const cell = event.target.closest("td");
    const row = event.target.closest("tr");
    if (!cell || !row?.dataset.name || cell.classList.contains("c-now")) return;
    state.send("open", row.dataset.name);
  });
  body.addEventListener("change", (event) => {
    const select = event.target;
    if (select.tagName !== "SELECT") return;
    select.dataset.made = "";
    setText(select.previousSibling, select.value);
    state.send("put", { layer: select.dataset.layer, format: select.value });
  });
  return state;
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const wrap = parentElement.querySelector(".wrap");
  wrap.matrix = wrap.matrix || build(wrap);
  const state = wrap.matrix;
  state.send = setTriggerValue;
  state.data = data;
  if (!state.picked && !(data.working && state.sort.at !== null)) state.sort = { at: data.sort, way: -1 };
  draw(state);
}
