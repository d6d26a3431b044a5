// An object, a wrong prediction of it, the value and the curve of each loss, and one loss's gradient at each pixel.

const SETTINGS = {
  size: { title: "size", min: 2, max: 20, step: 1 },
  shift: { title: "shift", min: 0, max: 10, step: 1 },
  growth: { title: "growth (below 0: erosion)", min: -5, max: 5, step: 1 },
  confidence: { title: "confidence", min: 0.55, max: 0.99, step: 0.04 },
};

function render({ model, el }) {
  const side = model.get("side"), names = Object.keys(PIXEL_LOSSES), scale = 8;
  const settings = () => Object.fromEntries(["shape", ...Object.keys(SETTINGS)].map((name) => [name, model.get(name)]));
  const choose = (setting, value) => {
    const { min, max } = SETTINGS[setting];
    put(model, { [setting]: Math.round(within(value, min, max) * 100) / 100, swept: setting });
  };

  const shape = menu("object", ["disc", "pole"], (value) => put(model, { shape: value }));
  const sliders = Object.entries(SETTINGS).map(([name, { title, ...range }]) => slider(title, range, (value) => choose(name, value)));
  const scene = canvas(side, side, scale, "truth and prediction"), gradient = canvas(side, side, scale, "the gradient of the chosen loss");
  const caption = element("figcaption");
  const words = told();
  const rows = names.map((name) => {
    const value = element("td", { class: "value" }), curve = svg("svg", { width: 130, height: 34, viewBox: "0 0 130 34", role: "img", "aria-label": `curve of ${name}` });
    const pick = element("button", { type: "button", onclick: () => put(model, { chosen: name }) }, name);
    return { name, value, curve, row: element("tr", {}, element("td", {}, pick), value, element("td", {}, curve)) };
  });
  const swept = element("figcaption");
  const nudge = (sign) => () => { const name = model.get("swept"); choose(name, model.get(name) + sign * SETTINGS[name].step); };
  const next = (by) => () => put(model, { chosen: names[(names.indexOf(model.get("chosen")) + by + names.length) % names.length] });
  const root = frame(model, "losses", { ArrowRight: nudge(1), ArrowLeft: nudge(-1), ArrowDown: next(1), ArrowUp: next(-1) },
    element("div", { class: "bar" }, shape, ...sliders), words,
    element("div", { class: "row" },
      element("div", {},
        element("figure", {}, element("figcaption", {}, "truth: outline; prediction: light"), scene),
        element("figure", {}, caption, gradient)),
      element("figure", {}, swept, element("table", {}, ...rows.map(({ row }) => row)))));

  // A curve is drawn from all values of the setting that moves; it stays until another setting changes.
  let drawn = "", curves = {};
  function sweep(now) {
    const moving = model.get("swept"), { min, max, step } = SETTINGS[moving];
    const key = JSON.stringify({ ...now, [moving]: moving });
    if (key === drawn) return;
    drawn = key;
    const count = Math.round((max - min) / step) + 1;
    const points = Array.from({ length: count }, (_, i) => pixelLosses(...pixelScene({ ...now, [moving]: min + i * step }, side), side, side));
    curves = Object.fromEntries(names.map((name) => [name, points.map((losses) => losses[name].value)]));
  }

  function draw() {
    const now = settings(), chosen = model.get("chosen"), moving = model.get("swept");
    const [p, g] = pixelScene(now, side), losses = pixelLosses(p, g, side, side);
    shape.control.value = now.shape;
    Object.keys(SETTINGS).forEach((name, i) => { sliders[i].control.value = now[name]; });
    sweep(now);

    const edge = (at) => g[at] && [1, -1, side, -side].some((step) => !g[at + step]);
    fillCanvas(scene, (at) => (edge(at) ? [34, 34, 34] : Array(3).fill(110 + 140 * p[at])));
    const map = losses[chosen].gradient, most = Math.max(...map.map(Math.abs)) || 1;
    fillCanvas(gradient, (at) => diverging(map[at] / most).map((c) => (edge(at) ? c * 0.75 : c)));
    caption.textContent = `gradient of ${chosen}: blue is pulled up, orange pushed down`;

    const { min, max } = SETTINGS[moving];
    swept.textContent = `each loss, and its curve over ${SETTINGS[moving].title} from ${min} to ${max}`;
    for (const { name, value, curve, row } of rows) {
      value.textContent = losses[name].value.toFixed(3);
      row.className = name === chosen ? "now" : "";
      const values = curves[name], low = Math.min(0, ...values), high = Math.max(...values, low + 1e-9);
      const y = (v) => 30 - (26 * (v - low)) / (high - low), x = (i) => 4 + (122 * i) / (values.length - 1);
      const here = x(((now[moving] - min) / (max - min)) * (values.length - 1));
      curve.replaceChildren(
        svg("line", { x1: 4, x2: 126, y1: y(0), y2: y(0), class: "zero" }),
        svg("polyline", { points: values.map((v, i) => `${x(i)},${y(v)}`).join(" ") }),
        svg("circle", { cx: here, cy: y(losses[name].value), r: 4 }));
    }

    const found = p.map((v) => v > 0.5), both = sum(g, (v, i) => v && found[i]), either = sum(g, (v, i) => v || found[i]);
    const up = sum(map, (v) => v < -0.05 * most), down = sum(map, (v) => v > 0.05 * most);
    words.textContent = `A ${now.shape} of ${sum(g)} pixels, predicted with confidence ${short(now.confidence)}, shifted by ${now.shift}, grown by ${now.growth}: IoU ${short(both / either)}. ` +
      `${chosen} is ${losses[chosen].value.toFixed(4)}; it pulls ${up} pixels up and pushes ${down} down.`;
  }

  el.append(root);
  return follow(model, ["shape", "chosen", "swept", ...Object.keys(SETTINGS)], draw);
}

// The predicted probabilities and the truth, as `LossLaboratory.scene` in Python makes them.
function pixelScene({ shape, size, shift, growth, confidence }, side) {
  const p = new Float64Array(side * side), g = new Float64Array(side * side);
  const inside = (x, y, more) => {
    const radius = size / 2 + more;
    return shape === "disc" ? radius > 0 && x * x + y * y < radius * radius : Math.abs(x) < radius && Math.abs(y) < side / 2 - 4 + more;
  };
  for (let at = 0; at < side * side; at++) {
    const x = (at % side) + 0.5 - side / 2, y = Math.floor(at / side) + 0.5 - side / 2;
    g[at] = inside(x, y, 0) ? 1 : 0;
    p[at] = inside(x - shift, y, growth) ? confidence : 1 - confidence;
  }
  return [p, g];
}
