// The recipes tried in this session as dots at their metric. Names come from people: they are only ever set as
// textContent or aria-label, never as HTML.

const HEIGHT = 118;
const EDGE = { top: 24, bottom: 18, left: 58, right: 18 };
const FARTHEST = 96; // pixels between two dots

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(tag, className, values, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (className) made.setAttribute("class", className);
  for (const [name, value] of Object.entries(values || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function way(points, child, place) {
  const [from, to] = [place(points[child.parent], child.parent), place(child, points.indexOf(child))];
  const next = child.parent === points.indexOf(child) - 1;
  if (next) return shape("path", "way", { d: `M${from}L${to}` });
  // A branch swings below what lies between.
  const low = Math.min(HEIGHT - 4, Math.max(from[1], to[1]) + 22);
  return shape("path", "way branch", { d: `M${from}C${from[0] + 14},${low} ${to[0] - 14},${low} ${to}` });
}

function dot(state, point, at, place) {
  const [x, y] = place(point, at);
  const group = shape("g", `dot ${point.tone}${point.now ? " now" : ""}${point.at === null ? " unknown" : ""}`, {
    transform: `translate(${x} ${y})`, role: "button", tabindex: 0, "aria-label": point.tip.join(", "),
    "aria-pressed": point.now ? "true" : "false",
  });
  group.append(shape("circle", "reach", { r: 12 }));
  if (point.pinned) group.append(shape("rect", "pin", { x: -8, y: -8, width: 16, height: 16, rx: 3 }));
  group.append(shape("circle", "fill", { r: point.now ? 6.5 : 5 }));
  const pick = () => !point.now && state.send("pick", point.digest);
  group.addEventListener("click", pick);
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) group.parentNode.children[at + step]?.focus();
    else if (event.key === "Enter" || event.key === " ") pick();
    else return;
    event.preventDefault();
  });
  for (const name of ["pointerenter", "focus"]) group.addEventListener(name, () => tell(state, point, x, y));
  for (const name of ["pointerleave", "blur"]) group.addEventListener(name, () => (state.tip.hidden = true));
  return group;
}

function tell(state, point, x, y) {
  const { tip, wrap } = state;
  tip.hidden = false;
  tip.replaceChildren(...point.tip.map((line, at) => make("div", at ? "" : "who", line)));
  if (!point.now) tip.append(make("div", "hint", "click to return to it"));
  tip.style.left = Math.max(0, Math.min(x + 14, wrap.clientWidth - tip.offsetWidth - 2)) + "px";
  tip.style.top = y + 14 + "px";
}

function draw(state) {
  const { data, wrap, svg } = state;
  const width = wrap.clientWidth;
  const { points } = data;
  const apart = Math.min(FARTHEST, (width - EDGE.left - EDGE.right) / Math.max(1, points.length - 1));
  const height = (part) => EDGE.top + (1 - part) * (HEIGHT - EDGE.top - EDGE.bottom);
  const place = (point, at) => [EDGE.left + 12 + at * Math.min(apart, (width - EDGE.left - EDGE.right - 12) / Math.max(1, points.length - 1)), height(point.at ?? 0)];
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const back = shape("g", "", { "aria-hidden": "true" });
  for (const tick of data.ticks) {
    const y = height(tick.at);
    back.append(shape("line", "rule", { x1: EDGE.left, x2: width, y1: y, y2: y }));
    back.append(shape("text", "tick", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, tick.text));
  }
  back.append(shape("text", "tick", { x: 0, y: 10 }, data.metric));
  for (const point of points) if (point.parent !== null) back.append(way(points, point, place));
  points.forEach((point, at) => {
    if (point.at === null) return;
    const [x] = place(point, at);
    back.append(shape("line", "interval", { x1: x, x2: x, y1: height(point.from), y2: height(point.to) }));
  });
  let free = 0;
  points.forEach((point, at) => {
    const [x, y] = place(point, at);
    const half = point.name.length * 3.2;
    if (!point.name || x - half < free) return;
    free = x + half + 6;
    back.append(shape("text", "name", { x, y: y - 12, "text-anchor": "middle" }, point.name));
  });
  const dots = shape("g");
  dots.append(...points.map((point, at) => dot(state, point, at, place)));
  const focused = [...(svg.lastChild?.children ?? [])].indexOf(state.root.activeElement);
  svg.replaceChildren(back, dots);
  if (focused >= 0) dots.children[focused]?.focus();
}

export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const wrap = parentElement.querySelector(".wrap");
  if (!wrap.trail) {
    const svg = shape("svg", "", { height: HEIGHT, role: "group", "aria-label": "Recipes tried in this session" });
    const tip = make("div", "tip");
    tip.hidden = true;
    tip.setAttribute("aria-hidden", "true"); // labels say the same
    wrap.replaceChildren(svg, tip);
    wrap.trail = { root: parentElement, wrap, svg, tip };
    new ResizeObserver(() => wrap.trail.data && wrap.clientWidth && draw(wrap.trail)).observe(wrap);
  }
  Object.assign(wrap.trail, { data, send: setTriggerValue });
  draw(wrap.trail);
}
