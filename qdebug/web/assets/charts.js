// A button beside each chart's title that saves the chart: as PNG, as SVG, or its numbers as CSV. All of it happens in
// the browser: the server is not asked, and nothing leaves the machine. And what somebody zoomed into stays: a chart that
// is drawn anew, about the same thing (its uirevision), gets the ranges that it had. A double click on an axis takes them back.

const WAYS = { PNG: png, SVG: svg, CSV: csv };
const zoomed = new Map(); // by uirevision: what was set by hand, as Plotly.relayout takes it
const RANGE = /^[xy]axis\d*\.range/;
const MARGIN = 16, LINE = 20, SHARP = 2;

export default function ({ parentElement }) {
  const app = (parentElement.host ?? parentElement).closest(".stApp");
  let asked = 0;
  const look = () => {
    asked = 0;
    for (const box of app.querySelectorAll('[class*="st-key-chart-"]'))
      for (const plot of box.querySelectorAll(".js-plotly-plot")) {
        if (!box.querySelector(":scope > .q-save")) box.append(menu(box));
        if (plot.on && plot._fullLayout?.uirevision && plot.kept !== plot._fullLayout.uirevision) keep(plot);
      }
  };
  const watcher = new MutationObserver(() => { asked ||= requestAnimationFrame(look); });
  watcher.observe(app, { childList: true, subtree: true });
  look();
  return () => watcher.disconnect();
}

function keep(plot) {
  const about = plot._fullLayout.uirevision, first = plot.kept === undefined;
  plot.kept = about;
  plot.atFirst = {};
  for (const [name, axis] of Object.entries(plot._fullLayout))
    if (/^[xy]axis\d*$/.test(name) && axis.range) {
      if (axis.autorange) plot.atFirst[`${name}.autorange`] = true;
      else plot.atFirst[`${name}.range`] = [...axis.range];
    }
  if (first) {
    plot.on("plotly_relayout", (change) => {
      const set = Object.entries(change ?? {}).filter(([name]) => RANGE.test(name));
      if (set.length) zoomed.set(plot.kept, { ...zoomed.get(plot.kept), ...Object.fromEntries(set) });
    });
    plot.on("plotly_doubleclick", () => {
      if (!zoomed.has(plot.kept)) return;
      window.Plotly.relayout(plot, plot.atFirst).then(() => zoomed.delete(plot.kept));
    });
  }
  if (zoomed.has(about)) window.Plotly.relayout(plot, zoomed.get(about));
}

function menu(box) {
  const frame = element("div", { className: "q-save" });
  const opener = element("button", { type: "button", title: "Save this chart", textContent: "⤓" });
  opener.setAttribute("aria-label", `Save the chart: ${title(box)}`);
  opener.setAttribute("aria-expanded", "false");
  const list = element("div", { className: "q-save-ways", hidden: true });
  const show = (open) => { list.hidden = !open; opener.setAttribute("aria-expanded", String(open)); };
  for (const [name, save] of Object.entries(WAYS)) {
    const way = element("button", { type: "button", textContent: name });
    way.setAttribute("aria-label", `Save as ${name}`);
    way.onclick = () => { show(false); save(box); opener.focus(); };
    list.append(way);
  }
  opener.onclick = () => show(list.hidden);
  frame.onkeydown = (event) => { if (event.key === "Escape") { show(false); opener.focus(); } };
  frame.onfocusout = (event) => { if (!frame.contains(event.relatedTarget)) show(false); };
  frame.append(opener, list);
  return frame;
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

function title(box) {
  return box.querySelector(".q-chart-title")?.innerText.trim() ?? "chart";
}

function hand(box, ending, blob) {
  const name = title(box).toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "chart";
  const link = element("a", { href: URL.createObjectURL(blob), download: `${name}.${ending}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The chart as one SVG: Plotly draws into several that lie upon each other. The title stands above.
function drawing(box) {
  const plot = box.querySelector(".js-plotly-plot");
  const style = getComputedStyle(box.closest(".stApp"));
  const lines = wrapped(title(box), Math.max(20, Math.floor(plot.clientWidth / 7.4)));
  const head = MARGIN + lines.length * LINE;
  const width = plot.clientWidth + 2 * MARGIN, height = plot.clientHeight + head + MARGIN;
  const ground = style.backgroundColor;
  const whole = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
    whole.setAttribute(name, value);
  const add = (parent, name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    parent.append(made);
    return made;
  };
  add(whole, "rect", { width, height, fill: ground });
  lines.forEach((line, at) => add(whole, "text", {
    x: MARGIN, y: MARGIN + at * LINE + 12, fill: style.color, "font-family": "Source Sans, Source Sans 3, sans-serif",
    "font-size": 15, "font-weight": 600,
  }, line));
  const inner = add(whole, "g", { transform: `translate(${MARGIN} ${head})` });
  for (const part of plot.querySelectorAll("svg.main-svg")) inner.append(part.cloneNode(true));
  return { text: new XMLSerializer().serializeToString(whole), width, height };
}

function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(/\s+/))
    if (`${lines.at(-1)} ${word}`.length > most && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
  return lines;
}

function svg(box) {
  hand(box, "svg", new Blob([drawing(box).text], { type: "image/svg+xml" }));
}

function png(box) {
  const { text, width, height } = drawing(box);
  const picture = new Image();
  picture.onload = () => {
    const canvas = element("canvas", { width: width * SHARP, height: height * SHARP });
    const pen = canvas.getContext("2d");
    pen.scale(SHARP, SHARP);
    pen.drawImage(picture, 0, 0);
    canvas.toBlob((blob) => hand(box, "png", blob), "image/png");
  };
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

// One line for each mark: its series, where it stands, and what stands at its error bars. A cell that a spreadsheet
// would take for a formula is told to be text. Where a figure draws other numbers than it means, its meta says how: on
// which axis they are asinh of the value in some unit, and whether cells are logarithms of counts.
function csv(box) {
  const cell = (value) => {
    const text = String(value ?? "");
    const told = typeof value === "string" && /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n]/.test(told) ? `"${told.replaceAll('"', '""')}"` : told;
  };
  const rows = [["series", "x", "y", "z"]];
  for (const trace of box.querySelector(".js-plotly-plot")._fullData) {
    const { x: across, y: up, counts } = trace.meta ?? {};
    const real = (values, unit) => [...(values ?? [])].map((one) => (unit && one != null ? unit * Math.sinh(one) : one));
    const xs = real(trace.x, across), ys = real(trace.y, up);
    if (trace.z) trace.z.forEach((line, row) => [...line].forEach((value, column) => {
      const number = counts ? (Number.isFinite(value) ? Math.round(10 ** value) : 0) : value;
      rows.push([trace.name, xs[column] ?? column, ys[row] ?? row, number]);
    }));
    else for (let at = 0; at < Math.max(xs.length, ys.length); at++)
      if (xs[at] != null && ys[at] != null) rows.push([trace.name, xs[at], ys[at], ""]);
  }
  const text = rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  hand(box, "csv", new Blob([text], { type: "text/csv;charset=utf-8" }));
}
