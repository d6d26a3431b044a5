// A box over a map of features: RoIPool's rounded cells, RoIAlign's sampling points, and what each of them gives.

function render({ model, el }) {
  const features = model.get("features"), height = features.length, width = features[0].length;
  const cell = Math.min(80, 400 / Math.max(height, width));
  const names = ["left", "top", "width", "height"];

  function reshapeBox([left, top, w, h]) {
    w = within(w, 0.1, width);
    h = within(h, 0.1, height);
    left = within(left, 0, width - w);
    top = within(top, 0, height - h);
    put(model, { box: [left, top, left + w, top + h].map((edge) => Math.round(edge * 100) / 100) });
  }
  const parts = () => { const [left, top, right, bottom] = model.get("box"); return [left, top, right - left, bottom - top]; };
  const change = (position, by) => reshapeBox(parts().map((value, i) => (i === position ? value + by : value)));
  const arrow = (axis, sign) => (event) => change(axis + (event.shiftKey ? 2 : 0), sign * 0.1);

  const sliders = names.map((name, i) =>
    slider(name, { min: i < 2 ? 0 : 0.1, max: i % 2 ? height : width, step: 0.1 },
      (value) => reshapeBox(parts().map((old, at) => (at === i ? value : old)))));
  const bins = menu("bins", [1, 2, 3, 4], (value) => put(model, { bins: Number(value) }));
  const samples = menu("samples", [1, 2, 3, 4], (value) => put(model, { samples: Number(value) }));
  const shifted = checkbox("show the form without half-pixel shift", true, draw);

  const layer = svg("g");
  const map = svg("svg", {
    width: width * cell + 2, height: height * cell + 2, viewBox: `-1 -1 ${width * cell + 2} ${height * cell + 2}`,
    role: "img", "aria-label": "the features with the box",
  }, ...features.flatMap((row, i) => row.map((value, j) => svg("g", {},
    svg("rect", { x: j * cell, y: i * cell, width: cell, height: cell, class: "cell" }),
    svg("text", { x: (j + 0.5) * cell, y: (i + 0.5) * cell, class: "number" }, short(value))))), layer);
  const tables = element("div", { class: "tables" });
  const words = told();
  const keys = { ArrowRight: arrow(0, 1), ArrowLeft: arrow(0, -1), ArrowDown: arrow(1, 1), ArrowUp: arrow(1, -1) };
  const root = frame(model, "roi", keys,
    element("div", { class: "bar" }, ...sliders), element("div", { class: "bar" }, bins, samples, shifted),
    words, element("div", { class: "row" }, map, tables));

  let grip = null; // where in the box, or at its corner, the pointer holds it
  const at = (event) => {
    const area = map.getBoundingClientRect();
    return [(event.clientX - area.left - 1) / cell, (event.clientY - area.top - 1) / cell];
  };
  map.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event), [left, top, right, bottom] = model.get("box");
    if (Math.hypot(x - right, y - bottom) * cell < 14) grip = { corner: true };
    else if (x >= left && x <= right && y >= top && y <= bottom) grip = { x: x - left, y: y - top };
    if (grip) map.setPointerCapture(event.pointerId);
  });
  map.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [x, y] = at(event), [left, top, w, h] = parts();
    reshapeBox(grip.corner ? [left, top, x - left, y - top] : [x - grip.x, y - grip.y, w, h]);
  });
  map.addEventListener("pointerup", () => { grip = null; });

  function draw() {
    const box = model.get("box"), [left, top, right, bottom] = box;
    const count = model.get("bins"), perBin = model.get("samples");
    parts().forEach((value, i) => { sliders[i].control.value = value; });
    bins.control.value = count;
    samples.control.value = perBin;

    const [l, t, r, b] = box.map((edge) => Math.floor(edge + 0.5)); // whole cells, the last one inside
    const pooled = roiPool(features, [l, t, r, b], count);
    const aligned = roiAlign(features, box, count, perBin, true), unaligned = roiAlign(features, box, count, perBin, false);
    const area = (x, y, w, h, kind) =>
      svg("rect", { x: x * cell, y: y * cell, width: w * cell, height: h * cell, class: kind });
    const lines = Array.from({ length: count - 1 }, (_, i) => (i + 1) / count).flatMap((share) => [
      svg("line", { x1: (left + share * (right - left)) * cell, x2: (left + share * (right - left)) * cell, y1: top * cell, y2: bottom * cell, class: "bin" }),
      svg("line", { y1: (top + share * (bottom - top)) * cell, y2: (top + share * (bottom - top)) * cell, x1: left * cell, x2: right * cell, class: "bin" }),
    ]);
    const dots = aligned.points.map(([x, y]) => svg("circle", { cx: (x + 0.5) * cell, cy: (y + 0.5) * cell, r: 3.5, class: "dot" }));
    const crosses = !shifted.control.checked ? [] : unaligned.points.map(([x, y]) =>
      svg("path", { d: `M${(x + 0.5) * cell - 4} ${(y + 0.5) * cell - 4}l8 8m0 -8l-8 8`, class: "cross" }));
    layer.replaceChildren(
      area(l, t, Math.max(r - l, 0) + 1, Math.max(b - t, 0) + 1, "rounded"), area(left, top, right - left, bottom - top, "box"),
      ...lines, ...dots, ...crosses, svg("circle", { cx: right * cell, cy: bottom * cell, r: 6, class: "corner" }));
    const results = [grid("RoIPool: rounded, then the maximum", pooled, () => "rounded"), grid("RoIAlign: points ●, then the mean", aligned.values, () => "now")];
    if (shifted.control.checked) results.push(grid("RoIAlign, not aligned: points ×", unaligned.values, () => "on"));
    tables.replaceChildren(...results);
    const list = (rows) => rows.map((row) => row.map((value) => short(value)).join(" ")).join(" / ");
    words.textContent = `Box from (${short(left)}, ${short(top)}) to (${short(right)}, ${short(bottom)}). RoIPool takes columns ${l} to ${Math.max(l, r)}, rows ${t} to ${Math.max(t, b)}: ${list(pooled)}. ` +
      `RoIAlign reads ${aligned.points.length} points: ${list(aligned.values)}. Without the half-pixel shift: ${list(unaligned.values)}.`;
  }

  el.append(root);
  return follow(model, ["box", "bins", "samples"], draw);
}

// The maximum of each bin of whole cells; bins overlap where they do not divide the box, and are 0 outside the map.
function roiPool(features, [left, top, right, bottom], count) {
  const edges = (first, last, size) => {
    const step = Math.max(last - first + 1, 1) / count;
    return Array.from({ length: count }, (_, i) =>
      [within(first + Math.floor(i * step), 0, size), within(first + Math.ceil((i + 1) * step), 0, size)]);
  };
  const columns = edges(left, right, features[0].length);
  return edges(top, bottom, features.length).map(([from, to]) => columns.map(([start, end]) =>
    from < to && start < end ? Math.max(...features.slice(from, to).flatMap((row) => row.slice(start, end))) : 0));
}

// The mean of samples × samples points a bin; a point's coordinates are those of the map, cell (0, 0) lies at (0, 0).
function roiAlign(features, [left, top, right, bottom], count, samples, aligned) {
  const shift = aligned ? 0.5 : 0, least = aligned ? 0 : 1;
  const places = (first, last) => Array.from({ length: count * samples }, (_, i) =>
    first - shift + ((i + 0.5) / (count * samples)) * Math.max(last - first, least));
  const xs = places(left, right), ys = places(top, bottom);
  const values = Array.from({ length: count }, (_, i) => Array.from({ length: count }, (_, j) => {
    let total = 0;
    for (const y of ys.slice(i * samples, (i + 1) * samples))
      for (const x of xs.slice(j * samples, (j + 1) * samples)) total += bilinear(features, x, y);
    return total / samples ** 2;
  }));
  return { values, points: ys.flatMap((y) => xs.map((x) => [x, y])) };
}

// Between four cells; beyond the outermost centres their value goes on for one cell, then it is 0.
function bilinear(features, x, y) {
  const height = features.length, width = features[0].length;
  if (x < -1 || y < -1 || x > width || y > height) return 0;
  const [cx, cy] = [within(x, 0, width - 1), within(y, 0, height - 1)];
  const [j, i] = [Math.min(Math.floor(cx), Math.max(width - 2, 0)), Math.min(Math.floor(cy), Math.max(height - 2, 0))];
  const [down, over] = [cy - i, cx - j], next = Math.min(i + 1, height - 1), beside = Math.min(j + 1, width - 1);
  return (1 - down) * ((1 - over) * features[i][j] + over * features[i][beside]) +
    down * ((1 - over) * features[next][j] + over * features[next][beside]);
}
