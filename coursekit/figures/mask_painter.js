// Paint a mask over a picture: scores, losses and one loss's gradient follow the brush. Nothing asks the kernel.

const STARTS = {
  "nothing": ({ truth }) => truth.map(() => 0),
  "everything": ({ truth }) => truth.map(() => 1),
  "the truth": ({ truth }) => truth.slice(),
  "2 pixels too far right": ({ truth, width }) => truth.map((_, at) => (at % width > 1 ? truth[at - 2] : 0)),
  "1 pixel too small": ({ truth, width, height }) => truth.map((on, at) => on && !outline(truth, width, height)[at] ? 1 : 0),
};

function render({ model, el }) {
  const [height, width] = model.get("size"), names = Object.keys(PIXEL_LOSSES);
  const bytes = (name) => { const view = model.get(name); return Array.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)); };
  const truth = bytes("truth"), pixels = bytes("pixels"), rim = outline(truth, width, height);
  const scale = Math.max(2, Math.floor(400 / width));
  let painted = bytes("painted"), cursor = [width >> 1, height >> 1], brush = 3, erases = false, down = false, due = 0;

  const picture = canvas(width, height, scale, "picture to paint on"), gradient = canvas(width, height, scale, "gradient of the chosen loss");
  const caption = element("figcaption"), words = told();
  const start = menu("start from", ["", ...Object.keys(STARTS)], (name) => name && become(STARTS[name]({ truth, width, height })));
  const size = slider("brush", { min: 1, max: 9, value: brush }, (value) => { brush = value; });
  const eraser = checkbox("erase", false, (value) => { erases = value; });
  const sure = slider("confidence", { min: 0.55, max: 0.99, step: 0.01 }, (value) => put(model, { confidence: value }));
  const near = slider("tolerance", { min: 0, max: 5 }, (value) => put(model, { tolerance: value }));

  const bars = ["IoU", "Dice", "boundary F1", "pixel accuracy"].map((name) => bar(element("span", {}, name)));
  const rows = names.map((name) => bar(element("button", { type: "button", onclick: () => put(model, { chosen: name }) }, name)));
  const move = (dx, dy) => (event) => {
    const step = event.shiftKey ? 5 : 1;
    cursor = [within(cursor[0] + step * dx, 0, width - 1), within(cursor[1] + step * dy, 0, height - 1)];
    if (down) stamp(...cursor);
    soon();
  };
  const next = (by) => () => put(model, { chosen: names[(names.indexOf(model.get("chosen")) + by + names.length) % names.length] });
  const root = frame(model, "painter", {
    ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), ArrowUp: move(0, -1), ArrowDown: move(0, 1),
    " ": () => { stamp(...cursor); keep(); },
    p: () => { down = !down; if (down) stamp(...cursor); else keep(); },
    e: () => { erases = eraser.control.checked = !erases; },
    l: next(1), L: next(-1),
  },
    element("div", { class: "bar" }, start, size, eraser, near, sure), words,
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "blue is right, orange too much, the rim is the truth's"), picture),
      element("figure", {}, caption, gradient)),
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "scores, 0 to 1"), element("table", {}, ...bars.map(({ row }) => row))),
      element("figure", {}, element("figcaption", {}, "losses; choose one to see its gradient"), element("table", {}, ...rows.map(({ row }) => row)))));

  function stamp(x, y) {
    const reach = brush - 0.5;
    for (let j = Math.max(0, y - brush); j <= Math.min(height - 1, y + brush); j++)
      for (let i = Math.max(0, x - brush); i <= Math.min(width - 1, x + brush); i++)
        if ((i - x) ** 2 + (j - y) ** 2 < reach ** 2) painted[j * width + i] = erases ? 0 : 1;
    start.control.value = "";
    soon();
  }
  const keep = () => put(model, { painted: new DataView(Uint8Array.from(painted).buffer) });
  const become = (mask) => { painted = mask; keep(); };

  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    stamp(...(cursor = pixelAt(picture, event)));
  });
  picture.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const [x, y] = pixelAt(picture, event), steps = Math.max(Math.abs(x - cursor[0]), Math.abs(y - cursor[1]), 1), from = cursor;
    for (let i = 1; i <= steps; i++) stamp(Math.round(from[0] + ((x - from[0]) * i) / steps), Math.round(from[1] + ((y - from[1]) * i) / steps));
    cursor = [x, y];
  });
  picture.addEventListener("pointerup", keep);

  // However many events come between two frames, one of them draws.
  function soon() {
    if (!due) due = requestAnimationFrame(() => { due = 0; draw(); });
  }

  function draw() {
    const confidence = model.get("confidence"), tolerance = model.get("tolerance"), chosen = model.get("chosen");
    sure.control.value = confidence;
    near.control.value = tolerance;
    const scores = maskScores(painted, truth, width, height, tolerance);
    const losses = pixelLosses(painted.map((on) => (on ? confidence : 1 - confidence)), truth, width, height);
    const map = losses[chosen].gradient, most = map.reduce((high, v) => Math.max(high, Math.abs(v)), 0) || 1;

    fillCanvas(picture, (at) => {
      if (at === cursor[1] * width + cursor[0]) return [242, 177, 52];
      const own = pixels.slice(4 * at, 4 * at + 3), tint = painted[at] && (truth[at] ? [15, 107, 181] : [220, 90, 20]);
      const mixed = tint ? own.map((c, i) => 0.35 * c + 0.65 * tint[i]) : own;
      return rim[at] ? mixed.map((c) => 0.4 * c + 150) : mixed;
    });
    fillCanvas(gradient, (at) => diverging(map[at] / most).map((c) => (rim[at] ? 0.75 * c : c)));
    caption.textContent = `gradient of ${chosen}: blue is pulled up, orange pushed down`;

    bars.forEach((shown, i) => shown.show(scores[i], 1, false));
    names.forEach((name, i) => rows[i].show(losses[name].value, name === "boundary" || name === "Hausdorff" ? 8 : 1, name === chosen));
    const count = (mask) => mask.reduce((total, on) => total + on, 0);
    words.textContent =
      `Painted: ${count(painted)} pixels; the object has ${count(truth)} of ${truth.length}. ` +
      `IoU ${scores[0].toFixed(3)}, Dice ${scores[1].toFixed(3)}, boundary F1 ${scores[2].toFixed(3)} within ${tolerance} pixels, ` +
      `pixel accuracy ${scores[3].toFixed(3)}. The loss ${chosen} is ${losses[chosen].value.toFixed(4)}.`;
  }

  el.append(root);
  const arrived = () => { painted = bytes("painted"); };
  model.on("change:painted", arrived);
  const end = follow(model, ["painted", "confidence", "tolerance", "chosen"], draw);
  return () => { model.off("change:painted", arrived); cancelAnimationFrame(due); end(); };
}

// A row of a table: a name, a number, and a bar of that length.
function bar(name) {
  const number = element("td"), length = element("div"), row = element("tr", {}, element("td", {}, name), number, element("td", { class: "length" }, length));
  const show = (value, full, now) => {
    number.textContent = value.toFixed(3);
    length.style.width = `${within(value / full, 0, 1) * 100}%`;
    row.className = now ? "now" : "";
  };
  return { row, show };
}

// What an erosion by the four neighbours takes away; beyond the picture is background.
function outline(mask, width, height) {
  const on = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x];
  return mask.map((inside, at) => {
    const x = at % width, y = Math.floor(at / width);
    return inside && !(on(x - 1, y) && on(x + 1, y) && on(x, y - 1) && on(x, y + 1)) ? 1 : 0;
  });
}

// IoU, Dice, boundary F1 and pixel accuracy of two masks, as coursekit.metrics has them.
function maskScores(painted, truth, width, height, tolerance) {
  let both = 0, either = 0;
  painted.forEach((on, at) => { both += on & truth[at]; either += on | truth[at]; });
  const edges = [painted, truth].map((mask) => outline(mask, width, height));
  const [precision, recall] = [[0, 1], [1, 0]].map(([own, other]) => {
    const distance = squaredDistance(edges[other], width, height);
    let near = 0, all = 0;
    edges[own].forEach((on, at) => { all += on; near += on && distance[at] <= tolerance ** 2 ? 1 : 0; });
    return all ? near / all : NaN;
  });
  const neither = !edges[0].some(Boolean) && !edges[1].some(Boolean);
  const f1 = neither ? 1 : precision > 0 && recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
  return [either ? both / either : 1, either ? (2 * both) / (either + both) : 1, f1, 1 - (either - both) / truth.length];
}
