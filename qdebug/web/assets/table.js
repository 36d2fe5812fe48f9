// The table of layers: rows chosen by click or arrow key, formats changed by native selects that lie over coloured pills.
// Texts come from models of strangers: they are only ever set as textContent, title or aria-label, never as HTML.

const HEADS = [
  ["name", "layer", "", "left"],
  ["op", "op", "", "left"],
  ["params", "params", "parameters: number of weights and biases", "right"],
  ["weight", "weight", "weight format", "left"],
  ["activation", "activation", "format of the layer's input", "left"],
  ["sqnr", "SQNR dB", "signal-to-quantization-noise ratio of the layer's output, in decibels; higher is better, 20 dB are an error of 10 %. This layer quantized, its inputs float", "right"],
  ["share", "share", "part of the model's output error that this layer causes alone", "right"],
];

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function pillCell(tensor) {
  const cell = make("td", "c-" + tensor);
  const label = make("label", "pick");
  const pill = make("span", "pill");
  pill.setAttribute("aria-hidden", "true");
  const select = make("select");
  select.dataset.tensor = tensor;
  label.append(pill, select);
  cell.append(label);
  return cell;
}

function barCell(name) {
  const cell = make("td", "num c-" + name);
  const line = make("div", "line");
  const track = make("span", "track");
  track.append(make("span", "bar"));
  line.append(make("span", "mark"), track, make("span", "figure"));
  cell.append(line);
  return cell;
}

function makeRow() {
  const row = make("tr");
  row.append(
    make("td", "c-name"), make("td", "c-op"), make("td", "num c-params"),
    pillCell("weight"), pillCell("activation"), barCell("sqnr"), barCell("share"),
  );
  return row;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Of more rows, a list is filled only when somebody comes near it: a thousand layers have 140,000 entries.
const MOST_FILLED = 200;

function fillSelect(select, choice, whole, at_once) {
  select.fill = at_once || select.near ? null : () => {
    select.near = true;
    fillSelect(select, choice, whole, true);
  };
  const menu = select.fill ? [] : whole;
  // The browser keeps an open list only while its options stay the same nodes, so they are rebuilt on change alone.
  const wanted = JSON.stringify([choice.label, menu]);
  if (select.dataset.made === wanted) return;
  select.dataset.made = wanted;
  select.replaceChildren();
  let known = false;
  for (const [heading, labels] of menu) {
    const group = make("optgroup");
    group.label = heading;
    for (const label of labels) {
      const option = make("option", "", label);
      option.value = label;
      known = known || label === choice.label;
      group.append(option);
    }
    select.append(group);
  }
  if (!known) {
    const option = make("option", "", choice.label);
    option.value = choice.label;
    select.prepend(option);
  }
  select.value = choice.label;
}

function fillPill(cell, row, tensor, menus, few) {
  const choice = row[tensor];
  cell.firstChild.hidden = !choice;
  if (!choice) return;
  const pill = cell.querySelector(".pill");
  const select = cell.querySelector("select");
  setText(pill, choice.label);
  pill.className = "pill " + choice.precision;
  select.setAttribute("aria-label", `${tensor} format of ${row.name}`);
  select.dataset.layer = row.name;
  fillSelect(select, choice, menus[choice.menu], few);
}

function fillBar(cell, value, colour, bad, title) {
  setText(cell.querySelector(".figure"), value.text);
  setText(cell.querySelector(".mark"), bad ? "◆" : "");
  const bar = cell.querySelector(".bar");
  bar.className = "bar " + colour;
  bar.style.width = Math.max(0, Math.min(1, value.part)) * 100 + "%";
  cell.querySelector(".track").classList.toggle("none", value.part === null);
  cell.title = title || "";
}

function fillRow(node, row, data, chosen) {
  const [name, op, params, weight, activation, sqnr, share] = node.children;
  node.dataset.name = row.name;
  setText(name, row.short);
  name.title = row.name;
  setText(op, row.op);
  setText(params, row.params);
  fillPill(weight, row, "weight", data.menus, data.rows.length <= MOST_FILLED);
  fillPill(activation, row, "activation", data.menus, data.rows.length <= MOST_FILLED);
  fillBar(sqnr, row.sqnr, row.bad ? "trouble" : row.sqnr.precision, row.bad, row.bad ? "below 10 dB: noise is over a tenth of the signal" : "");
  fillBar(share, row.share, "ink", false, "");
  const here = row.name === chosen;
  node.classList.toggle("chosen", here);
  node.classList.toggle("old", !data.fresh);
  node.setAttribute("aria-selected", here ? "true" : "false");
  node.setAttribute("aria-label", row.name);
  node.tabIndex = here ? 0 : -1;
}

function ordered(rows, sort) {
  if (!sort.key) return rows;
  const value = (row) => {
    if (sort.key === "sqnr" || sort.key === "share") return row[sort.key].order;
    if (sort.key === "params") return row.count;
    return sort.key === "weight" || sort.key === "activation" ? row[sort.key]?.label ?? "" : row[sort.key];
  };
  const less = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
  return [...rows].sort((a, b) => sort.way * less(value(a), value(b)));
}

function drawHead(state) {
  for (const [index, button] of state.buttons.entries()) {
    const [key] = HEADS[index];
    const on = state.sort.key === key;
    button.parentElement.setAttribute("aria-sort", !on ? "none" : state.sort.way > 0 ? "ascending" : "descending");
    button.dataset.way = !on ? "" : state.sort.way > 0 ? "↑" : "↓";
  }
}

function settle(state) {
  // A pick is on its way until the data show it.
  for (const row of state.data.rows) {
    for (const tensor of ["weight", "activation"]) {
      const sent = state.sent.get(tensor + " " + row.name);
      if (sent && row[tensor]?.label === sent.label) state.sent.delete(tensor + " " + row.name);
    }
  }
}

function pick(state, event, triesLeft) {
  const key = event.tensor + " " + event.layer;
  state.sent.set(key, event);
  state.send("format", event);
  // An event can get lost between a browser and a server that are both busy; picking the same again changes nothing.
  window.setTimeout(() => {
    if (state.sent.get(key) !== event || !state.body.isConnected) return;
    if (triesLeft) pick(state, { ...event }, triesLeft - 1);
    else {
      state.sent.delete(key);
      draw(state);
    }
  }, 2500);
}

function draw(state) {
  const { body, data } = state;
  const rows = ordered(data.rows, state.sort);
  while (body.children.length < rows.length) body.append(makeRow());
  while (body.children.length > rows.length) body.lastChild.remove();
  rows.forEach((row, index) => fillRow(body.children[index], row, data, state.chosen));
  drawHead(state);
}

function choose(state, name, later) {
  if (!name || name === state.chosen) return;
  state.chosen = name;
  state.asked = name;
  state.shown = name;
  draw(state);
  window.clearTimeout(state.timer);
  // Holding an arrow key runs through many layers; only where it rests is the layer measured.
  state.timer = window.setTimeout(() => state.send("choose", name), later ? 160 : 0);
}

function step(state, way, round) {
  const nodes = [...state.body.children];
  const at = nodes.findIndex((node) => node.dataset.name === state.chosen);
  const to = at < 0 ? 0 : round ? (at + way + nodes.length) % nodes.length : Math.max(0, Math.min(nodes.length - 1, at + way));
  const next = nodes[to];
  if (!next) return;
  choose(state, next.dataset.name, true);
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function sortBy(state, key) {
  const first = key === "share" || key === "params" ? -1 : 1;
  if (state.sort.key !== key) state.sort = { key, way: first };
  else if (state.sort.way === first) state.sort = { key, way: -first };
  else state.sort = { key: null, way: 1 };
  draw(state);
}

function build(root) {
  const wrap = root.querySelector(".wrap");
  const table = make("table");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", "Layers");
  const head = make("tr");
  const state = {
    body: make("tbody"), buttons: [], sort: { key: null, way: 1 }, chosen: null, asked: null, timer: 0, sent: new Map(),
  };
  for (const [key, text, hint, side] of HEADS) {
    const cell = make("th", `c-${key} ${side === "right" ? "num" : ""}`);
    cell.scope = "col";
    const button = make("button", "", text);
    button.type = "button";
    button.title = hint ? `${hint}; click to sort` : "click to sort";
    button.onclick = () => sortBy(state, key);
    state.buttons.push(button);
    cell.append(button);
    head.append(cell);
  }
  const thead = make("thead");
  thead.append(head);
  table.append(thead, state.body);
  wrap.replaceChildren(table);
  state.body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) choose(state, row.dataset.name, false);
  });
  state.body.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT") return;
    const way = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }[event.key];
    if (!way) return;
    event.preventDefault();
    step(state, way, false);
  });
  for (const near of ["pointerover", "focusin"]) {
    state.body.addEventListener(near, (event) => event.target.closest("label.pick")?.querySelector("select").fill?.());
  }
  state.body.addEventListener("change", (event) => {
    const select = event.target;
    if (select.tagName !== "SELECT") return;
    select.dataset.made = "";
    select.previousSibling.textContent = select.value;
    pick(state, { layer: select.dataset.layer, tensor: select.dataset.tensor, label: select.value }, 2);
  });
  // Keys that mean the next layer mean the next row, as the rows are sorted, as long as there are rows (see keys.js).
  const next = (event) => {
    if (!state.body.isConnected) return window.removeEventListener("qdebug-step", next);
    event.preventDefault();
    step(state, event.detail, true);
  };
  window.addEventListener("qdebug-step", next);
  return state;
}

function reveal(state) {
  // A layer that was chosen elsewhere may lie below what is in sight; the page itself stays where it is.
  const row = [...state.body.children].find((node) => node.dataset.name === state.chosen);
  const wrap = row?.closest(".wrap");
  if (!row || state.shown === state.chosen) return;
  state.shown = state.chosen;
  const head = state.buttons[0].closest("tr").offsetHeight;
  const [top, bottom] = [row.offsetTop - head, row.offsetTop + row.offsetHeight];
  if (top < wrap.scrollTop || bottom > wrap.scrollTop + wrap.clientHeight) wrap.scrollTop = top - wrap.clientHeight / 3;
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const wrap = parentElement.querySelector(".wrap");
  wrap.layers = wrap.layers || build(parentElement);
  const state = wrap.layers;
  state.send = setTriggerValue;
  state.data = data;
  settle(state);
  // What was chosen here a moment ago may still be on its way to the server: an older answer must not undo it.
  if (!state.asked || state.asked === data.chosen) {
    state.asked = null;
    state.chosen = data.chosen;
  }
  draw(state);
  reveal(state);
}
