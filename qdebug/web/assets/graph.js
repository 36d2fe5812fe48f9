// The graph of the model: blocks that open and close, layers that can be chosen. Where everything stands is worked out
// on the server; only what is in sight is in the page, so that a thousand layers scroll as lightly as ten.
// Texts come from models of strangers: they are only ever set as textContent or aria-label, never as HTML.

const SPARE = 240; // pixels above and below that are drawn too
const ZOOM = { least: 0.3, most: 2, step: 1.2 };
const TRIES = 2;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(tag, className, values) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (className) made.setAttribute("class", className);
  for (const [name, value] of Object.entries(values || {})) made.setAttribute(name, value);
  return made;
}

function words(className, text, x, y, end) {
  const made = shape("text", className, { x, y });
  if (end) made.setAttribute("text-anchor", end);
  made.textContent = text;
  return made;
}

function path(at, closed) {
  // Corners are rounded by up to 6 pixels.
  const points = [];
  for (let index = 0; index < at.length; index += 2) points.push([at[index], at[index + 1]]);
  let drawn = `M${points[0]}`;
  for (let index = 1; index < points.length - 1; index++) {
    const [before, here, next] = points.slice(index - 1, index + 2);
    const toward = (other) => {
      const [dx, dy] = [other[0] - here[0], other[1] - here[1]];
      const length = Math.hypot(dx, dy) || 1;
      const part = Math.min(6, length / 2) / length;
      return [here[0] + dx * part, here[1] + dy * part];
    };
    drawn += `L${toward(before)}Q${here} ${toward(next)}`;
  }
  return drawn + `L${points.at(-1)}` + (closed ? "Z" : "");
}

function arrow(at) {
  const [x1, y1, x, y] = at.slice(-4);
  const length = Math.hypot(x - x1, y - y1) || 1;
  const [dx, dy] = [(x - x1) / length, (y - y1) / length];
  const [left, right] = [1, -1].map((side) => [x - 6 * dx + side * 3.5 * dy, y - 6 * dy - side * 3.5 * dx]);
  return `M${x},${y}L${left}L${right}Z`;
}

function drawLine(line) {
  const group = shape("g", "way");
  group.append(shape("path", "line", { d: path(line.at) }));
  if (!line.open) group.append(shape("path", "head", { d: arrow(line.at) }));
  if (line.ops) {
    const [x, y] = line.at.slice(-2);
    group.append(words("ops", line.ops, x - 8, y - 9, "end"));
  }
  return group;
}

function label(box) {
  const bad = box.bad ? ", trouble" : "";
  const value = box.value ? `, ${box.value}${bad}` : "";
  if (box.kind === "block") return `block ${box.name}, ${box.count}${value}`;
  return `${box.name}${value}`;
}

function drawBlock(group, box) {
  if (box.open) {
    group.append(
      shape("rect", "ground", { width: box.w, height: box.h, rx: 8 }),
      shape("rect", "grip", { width: box.w, height: 24, rx: 8 }),
      words("sign", "−", 11, 17), words("title", box.label, 24, 17),
    );
    if (box.value) group.append(words("sum", box.value, box.w - 11, 17, "end"));
    return;
  }
  group.append(shape("rect", "behind", { x: 3, y: 3, width: box.w, height: box.h, rx: 6 }));
  drawBody(group, box);
  group.append(words("sign", "+", 11, 19), words("name", box.label, 25, 18.5));
  const wide = (box.w - 36) / box.strips.length;
  box.strips.forEach((tone, at) =>
    group.append(shape("rect", "strip " + tone, { x: 25 + at * wide, y: 28, width: Math.max(1, wide - 1), height: 4.5 })),
  );
}

function drawBody(group, box) {
  group.append(shape("rect", "body", { width: box.w, height: box.h, rx: 6 }));
  if (!box.value) return;
  const value = words("value", box.value, box.w - 10, 19.5, "end");
  if (box.bad) {
    const sign = shape("tspan", "trouble");
    sign.textContent = "◆ ";
    value.prepend(sign);
  }
  group.append(value);
}

function drawBox(box) {
  const group = shape("g", `box ${box.kind} ${box.tone || ""}`, { transform: `translate(${box.x} ${box.y})` });
  if (box.kind === "block") drawBlock(group, box);
  else if (box.kind === "layer") {
    drawBody(group, box);
    group.append(shape("rect", "edge", { width: 5, height: box.h, rx: 2.5 }), words("name", box.label, 14, 19.5));
  } else {
    if (box.kind === "join") group.append(shape("rect", "pill", { width: box.w, height: box.h, rx: box.h / 2 }));
    group.append(words("word", box.label, box.w / 2, box.h / 2 + 4, "middle"));
    group.setAttribute("aria-hidden", "true");
    return group;
  }
  group.dataset.key = box.key;
  group.setAttribute("role", "treeitem");
  group.setAttribute("aria-label", label(box));
  group.setAttribute("aria-level", box.level);
  if (box.kind === "block") group.setAttribute("aria-expanded", box.open ? "true" : "false");
  return group;
}

function mark(state, group, box) {
  const here = box.kind === "layer" && box.name === state.chosen;
  const holds = box.kind === "block" && !box.open && box.holds;
  group.classList.toggle("chosen", here);
  group.classList.toggle("holds", holds);
  group.classList.toggle("waiting", state.sent.has(box.key));
  if (box.kind === "layer" || box.kind === "block") {
    group.setAttribute("aria-selected", here ? "true" : "false");
    group.setAttribute("tabindex", box.key === state.at ? "0" : "-1");
  }
}

function inSight(state, top, bottom) {
  const from = state.view.scrollTop / state.zoom - SPARE;
  return bottom >= from && top <= from + state.view.clientHeight / state.zoom + 2 * SPARE;
}

function fill(state) {
  // Nodes that stay in sight stay the same elements, so that focus and pointer stay where they are.
  const { data, shown, svg } = state;
  const wanted = new Map();
  for (const box of data.boxes) {
    if (inSight(state, box.y, box.y + box.h) || box.key === state.at) wanted.set(box.key, box);
  }
  for (const [key, group] of shown) {
    if (!wanted.has(key)) {
      group.remove();
      shown.delete(key);
    }
  }
  let before = null;
  for (const [key, box] of wanted) {
    const said = JSON.stringify(box);
    let group = shown.get(key);
    if (!group || group.said !== said) {
      const made = drawBox(box);
      made.said = said;
      if (group) {
        const focused = group === state.root.activeElement;
        group.replaceWith(made);
        shown.set(key, made);
        mark(state, made, box);
        if (focused) made.focus({ preventScroll: true });
      } else if (before) before.after(made);
      else svg.lastChild.prepend(made);
      group = made;
      shown.set(key, made);
    }
    mark(state, group, box);
    before = group;
  }
  const lines = data.lines.filter((line) => inSight(state, Math.min(line.at[1], line.at.at(-1)), Math.max(line.at[1], line.at.at(-1))));
  svg.firstChild.replaceChildren(...lines.map(drawLine));
}

function size(state) {
  const { data, svg, zoom } = state;
  svg.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  svg.style.width = data.width * zoom + "px";
  svg.style.height = data.height * zoom + "px";
}

function zoomTo(state, wanted, x, y) {
  const { view } = state;
  const zoom = Math.max(ZOOM.least, Math.min(ZOOM.most, wanted));
  const [dx, dy] = [x ?? view.clientWidth / 2, y ?? view.clientHeight / 2];
  const place = [(view.scrollLeft + dx) / state.zoom, (view.scrollTop + dy) / state.zoom];
  state.zoom = zoom;
  size(state);
  view.scrollLeft = place[0] * zoom - dx;
  view.scrollTop = place[1] * zoom - dy;
  fill(state);
}

function fitting(state) {
  // As large as the width allows, and never so small that names cannot be read.
  return Math.max(0.7, Math.min(1, (state.view.clientWidth - 8) / state.data.width));
}

function boxOf(state, key) {
  return state.data.boxes.find((box) => box.key === key);
}

function show(state, box, middle) {
  const { view, zoom } = state;
  const [top, bottom] = [box.y * zoom, (box.y + Math.min(box.h, 60)) * zoom];
  if (middle || top < view.scrollTop || bottom > view.scrollTop + view.clientHeight) {
    view.scrollTop = middle ? (top + bottom - view.clientHeight) / 2 : top < view.scrollTop ? top - 12 : bottom - view.clientHeight + 12;
  }
  const [left, right] = [box.x * zoom, (box.x + Math.min(box.w, 230)) * zoom];
  if (left < view.scrollLeft || right > view.scrollLeft + view.clientWidth) view.scrollLeft = (left + right - view.clientWidth) / 2;
}

function focusOn(state, box) {
  if (!box) return;
  state.at = box.key;
  show(state, box, false);
  fill(state);
  state.shown.get(box.key)?.focus({ preventScroll: true });
}

function toggle(state, key, open, triesLeft = TRIES) {
  state.sent.set(key, open);
  const box = boxOf(state, key);
  if (box) state.held = { key, top: box.y * state.zoom - state.view.scrollTop };
  state.send("toggle", { key, open, try: triesLeft });
  // An event can get lost between a browser and a server that are both busy; asking for the same again changes nothing.
  window.setTimeout(() => {
    if (state.sent.get(key) !== open || !state.view.isConnected) return;
    if (triesLeft) toggle(state, key, open, triesLeft - 1);
    else state.sent.delete(key);
  }, 2500);
  fill(state);
}

function press(state, box) {
  if (box.kind === "block") toggle(state, box.key, !box.open);
  else if (box.name !== state.chosen) {
    state.chosen = box.name;
    state.asked = box.name;
    fill(state);
    state.send("choose", box.name);
  }
}

function onKey(state, event) {
  const items = state.data.boxes.filter((box) => box.tip);
  const index = items.findIndex((box) => box.key === state.at);
  const box = items[index];
  if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
  const around = () => items.slice(0, index).findLast((one) => one.level < box.level);
  const keys = {
    ArrowDown: () => focusOn(state, items[index + 1]),
    ArrowUp: () => focusOn(state, items[index - 1]),
    Home: () => focusOn(state, items[0]),
    End: () => focusOn(state, items.at(-1)),
    ArrowRight: () => (box.kind === "block" && !box.open ? toggle(state, box.key, true) : box.open && focusOn(state, items[index + 1])),
    ArrowLeft: () => (box.open ? toggle(state, box.key, false) : focusOn(state, around())),
    Enter: () => press(state, box),
    " ": () => press(state, box),
    "+": () => zoomTo(state, state.zoom * ZOOM.step),
    "-": () => zoomTo(state, state.zoom / ZOOM.step),
    0: () => zoomTo(state, fitting(state)),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

function tell(state, box, group) {
  const { tip, wrap } = state;
  tip.hidden = !box;
  if (!box) return;
  const hint = box.kind === "block" ? (box.open ? "click to close" : "click to open") : "click to choose";
  tip.replaceChildren(...[...box.tip, hint].map((line, at) => make("div", at === 0 ? "who" : at === box.tip.length ? "hint" : "", line)));
  const [here, all] = [group.getBoundingClientRect(), wrap.getBoundingClientRect()];
  const beside = Math.min(here.right - all.left + 8, all.width - tip.offsetWidth - 4);
  const covers = beside < here.right - all.left;
  tip.style.left = Math.max(0, beside) + "px";
  tip.style.top = (covers ? here.top - all.top + Math.min(here.height, 44) + 6 : here.top - all.top) + "px";
}

function pan(state) {
  // Dragging the ground moves it, for mice; fingers scroll anyway.
  const { view } = state;
  let from = null;
  view.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button || event.target.closest("[role=treeitem]:not(.open)")) return;
    from = [event.clientX, event.clientY, view.scrollLeft, view.scrollTop];
  });
  window.addEventListener("pointerup", () => (from = null), { signal: state.gone.signal });
  view.addEventListener("pointermove", (event) => {
    if (!from) return;
    view.scrollLeft = from[2] - event.clientX + from[0];
    view.scrollTop = from[3] - event.clientY + from[1];
  });
}

function build(root) {
  const wrap = root.querySelector(".wrap");
  const [bar, view, legend, tip] = [make("div", "bar"), make("div", "view"), make("div", "legend"), make("div", "tip")];
  const title = make("h3");
  const svg = shape("svg", "", { role: "tree", "aria-label": "Graph of the model" });
  svg.append(shape("g", "ways", { "aria-hidden": "true" }), shape("g", "boxes"));
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // labels say who it is
  view.append(svg);
  const state = {
    root, wrap, view, svg, legend, tip, title, shown: new Map(), sent: new Map(), zoom: 1, at: null, chosen: null, asked: null,
    held: null, zoomed: false, gone: new AbortController(),
  };
  const acts = [
    ["Open all", "open all blocks", () => toggle(state, "all", true)],
    ["Close all", "close all blocks", () => toggle(state, "all", false)],
    ["−", "smaller", () => zoomTo(state, state.zoom / ZOOM.step)],
    ["+", "larger", () => zoomTo(state, state.zoom * ZOOM.step)],
  ];
  for (const [text, hint, act] of acts) {
    const button = make("button", "", text);
    button.type = "button";
    button.title = hint;
    button.setAttribute("aria-label", hint);
    button.onclick = act;
    bar.append(button);
  }
  state.bar = bar;
  wrap.replaceChildren(title, bar, view, tip, legend);
  const found = (event) => event.target.closest?.("[role=treeitem]");
  svg.addEventListener("click", (event) => {
    const group = found(event);
    const box = group && boxOf(state, group.dataset.key);
    if (!box || (box.open && !event.target.closest(".grip, .sign, .title, .sum"))) return;
    state.at = box.key;
    press(state, box);
  });
  svg.addEventListener("keydown", (event) => onKey(state, event));
  for (const [name, on] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]]) {
    svg.addEventListener(name, (event) => {
      const group = found(event);
      const over = group && (!group.querySelector(".grip") || name.startsWith("focus") || event.target.closest(".grip, .sign, .title, .sum"));
      tell(state, on && over ? boxOf(state, group.dataset.key) : null, group);
    });
  }
  view.addEventListener("scroll", () => { fill(state); tip.hidden = true; }, { passive: true });
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const here = view.getBoundingClientRect();
    zoomTo(state, state.zoom * Math.exp(-event.deltaY / 400), event.clientX - here.left, event.clientY - here.top);
  }, { passive: false });
  new ResizeObserver(() => state.data && fill(state)).observe(view);
  pan(state);
  return state;
}

function drawLegend(state) {
  const { what, tones } = state.data.legend;
  const list = make("ul");
  for (const [tone, text] of tones) {
    const item = make("li");
    item.append(make("span", "swatch " + tone), text);
    list.append(item);
  }
  state.legend.replaceChildren(make("p", "", what), list);
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const wrap = parentElement.querySelector(".wrap");
  const first = !wrap.graph;
  const state = (wrap.graph = wrap.graph || build(parentElement));
  const before = state.chosen;
  state.send = setTriggerValue;
  state.data = data;
  for (const [key, open] of state.sent) if (key === "all" || boxOf(state, key)?.open === open) state.sent.delete(key);
  if (!state.asked || state.asked === data.chosen) {
    state.asked = null;
    state.chosen = data.chosen;
  }
  const chosen = data.boxes.find((box) => box.kind === "layer" && box.name === state.chosen);
  if (!boxOf(state, state.at)) state.at = (chosen || data.boxes.find((box) => box.tip))?.key;
  state.title.textContent = data.title;
  state.wrap.classList.toggle("old", !data.fresh);
  for (const button of [...state.bar.children].slice(0, 2)) button.hidden = !data.blocks;
  if (first) state.zoom = fitting(state);
  size(state);
  drawLegend(state);
  const held = state.held && boxOf(state, state.held.key);
  if (held) state.view.scrollTop = held.y * state.zoom - state.held.top;
  else if (chosen && (first || state.chosen !== before)) show(state, chosen, first);
  state.held = null;
  fill(state);
  wrap.dataset.drawn = Number(wrap.dataset.drawn || 0) + 1; // whoever drives the page sees that an answer was drawn
}
