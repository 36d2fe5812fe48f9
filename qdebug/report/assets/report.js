// Each chart is drawn where its page says, on light or dark ground, and at the width of paper while one prints.
// A chart can be kept as a picture and the report's data as JSON; nothing is sent anywhere.
const read = id => JSON.parse(document.getElementById(id).textContent);
const figures = read("figures"), darker = read("darker");
const places = [...document.querySelectorAll("[data-chart]")];
const night = matchMedia("(prefers-color-scheme: dark)");
const WHOLE = 680, HALF = 326; // CSS pixels of A4 between margins of 14 mm, and of half of it

const recoloured = value => {
  if (typeof value === "string") { // a colour, or words with a colour inside
    if (value.startsWith("#")) return darker[value.toLowerCase()] ?? value;
    return value.replace(/(?<=color: ?)#[0-9a-f]{6}/gi, one => darker[one.toLowerCase()] ?? one);
  }
  if (Array.isArray(value)) return value.map(recoloured);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, recoloured(one)]));
};

const draw = (place, dark, width) => {
  const figure = figures[place.dataset.chart];
  const { data, layout } = structuredClone(dark ? recoloured(figure) : figure);
  Plotly.react(place, data, { ...layout, width: width ?? place.clientWidth, autosize: false }, {
    displaylogo: false, scrollZoom: false, showSendToCloud: false, plotlyServerURL: "", modeBarButtons: [["toImage"]],
    toImageButtonOptions: { format: "svg", filename: place.dataset.chart },
  });
};
const show = () => places.forEach(place => draw(place, night.matches));
const onPaper = () => places.forEach(place => draw(place, false, place.closest(".small") ? HALF : WHOLE));

show();
let last = document.documentElement.clientWidth, waiting = 0, printing = false;
addEventListener("resize", () => {
  if (printing || document.documentElement.clientWidth === last) return;
  last = document.documentElement.clientWidth;
  clearTimeout(waiting);
  waiting = setTimeout(show, 100);
});
night.addEventListener("change", () => { if (!printing) show(); }); // paper counts as light, and is no change
addEventListener("beforeprint", () => {
  printing = true;
  clearTimeout(waiting);
  onPaper();
});
addEventListener("afterprint", () => {
  printing = false;
  show();
});

document.getElementById("save-json").addEventListener("click", () => {
  const text = JSON.stringify(read("report"), null, 2);
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
    download: document.title.split(":")[0].replace(/[^\w.-]+/g, "-") + ".json",
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
