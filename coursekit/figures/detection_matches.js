// Detections over a picture, which of them match, and the curve that grows from that. All numbers come from Python.

function render({ model, el }) {
  const [height, width] = model.get("size"), scale = Math.max(2, Math.floor(460 / width));
  const detections = model.get("detections"), truths = model.get("truths"), scores = model.get("scores"), levels = model.get("levels");
  const photo = imageData(model.get("pixels"), width, height), inside = truths.map((mask) => new Set(mask));
  const rims = truths.map((mask, k) => mask.filter((at) => [1, -1, width, -width].some((step) => !inside[k].has(at + step))));

  const keep = (count) => put(model, { kept: within(count, 0, scores.length) });
  const ask = (level) => put(model, { level: within(level, 0, levels.length - 1) });
  const cut = slider("detections kept", { min: 0, max: scores.length }, keep);
  const strict = slider("IoU needed", { min: 0, max: levels.length - 1 }, ask);
  const picture = element("canvas", { width: width * scale, height: height * scale, role: "img", "aria-label": "detections and truths" });
  const curve = svg("svg", { width: 300, height: 260, viewBox: "0 0 300 260", role: "img", "aria-label": "precision over recall" });
  const table = element("table"), words = told();
  const root = frame(model, "matches", {
    ArrowLeft: () => keep(model.get("kept") - 1), ArrowRight: () => keep(model.get("kept") + 1),
    ArrowUp: () => ask(model.get("level") + 1), ArrowDown: () => ask(model.get("level") - 1),
  }, element("div", { class: "bar" }, cut, strict), words,
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "blue: a match, orange: none; yellow rim: a missed object"), picture),
      element("figure", {}, element("figcaption", {}, "precision over recall; the area is the AP"), curve),
      element("figure", {}, element("figcaption", {}, "detections by score"), table)));

  const small = element("canvas", { width, height });
  function draw() {
    const kept = model.get("kept"), now = levels[model.get("level")];
    cut.control.value = kept;
    strict.control.value = model.get("level");
    const found = now.partners.slice(0, kept), missed = truths.map((_, k) => !found.includes(k));

    const image = new ImageData(photo.data.slice(), width, height);
    const tint = (at, colour, share) => { for (let c = 0; c < 3; c++) image.data[4 * at + c] = (1 - share) * image.data[4 * at + c] + share * colour[c]; };
    found.forEach((partner, d) => detections[d].forEach((at) => tint(at, partner === null ? [220, 90, 20] : [15, 107, 181], 0.55)));
    rims.forEach((rim, k) => rim.forEach((at) => tint(at, missed[k] ? [255, 234, 30] : [255, 255, 255], missed[k] ? 1 : 0.6)));
    small.getContext("2d").putImageData(image, 0, 0);
    const context = picture.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, width * scale, height * scale);
    context.font = "bold 13px sans-serif";
    found.forEach((_, d) => {
      const mean = (of) => detections[d].reduce((total, at) => total + of(at), 0) / Math.max(1, detections[d].length);
      const x = mean((at) => at % width) * scale, y = mean((at) => Math.floor(at / width)) * scale;
      context.lineWidth = 3;
      context.strokeStyle = "#222";
      context.fillStyle = "#fff";
      context.strokeText(d + 1, x, y);
      context.fillText(d + 1, x, y);
    });

    const x = (recall) => 40 + 240 * recall, y = (precision) => 220 - 200 * precision;
    const steps = now.curve.map((p, i) => `${x(i / 100)},${y(p)}`).join(" ");
    curve.replaceChildren(
      svg("polygon", { points: `${x(0)},${y(0)} ${steps} ${x(1)},${y(0)}`, class: "area" }), svg("polyline", { points: steps, class: "line" }),
      svg("line", { x1: 40, x2: 280, y1: 220, y2: 220 }), svg("line", { x1: 40, x2: 40, y1: 20, y2: 220 }),
      svg("text", { x: 160, y: 252, "text-anchor": "middle" }, "recall"), svg("text", { x: 12, y: 120, transform: "rotate(-90 12 120)", "text-anchor": "middle" }, "precision"),
      ...[0, 0.5, 1].flatMap((v) => [svg("text", { x: x(v), y: 235, "text-anchor": "middle" }, String(v)), svg("text", { x: 35, y: y(v) + 4, "text-anchor": "end" }, String(v))]),
      ...now.recall.map((r, d) => svg("circle", { cx: x(r), cy: y(now.precision[d]), r: d === kept - 1 ? 7 : 3, class: d === kept - 1 ? "now" : "point" })));
    table.replaceChildren(
      element("tr", {}, ...["", "score", "best IoU", ""].map((title) => element("th", { scope: "col" }, title))),
      ...scores.map((score, d) => element("tr", {}, ...[d + 1, score.toFixed(2), now.overlap[d].toFixed(2), now.partners[d] === null ? "✗" : "✓"]
        .map((text) => element("td", { class: d === kept - 1 ? "now" : d < kept ? "on" : "" }, String(text))))));

    const right = found.filter((partner) => partner !== null).length, quality = model.get("panoptic")[kept];
    words.textContent = (kept ? `${kept} detections with a score of ${scores[kept - 1].toFixed(2)} or more: ` : "No detection kept: ") +
      `${right} right, ${kept - right} wrong, ${truths.length - right} of ${truths.length} objects missed at IoU ${now.iou.toFixed(2)}. ` +
      `AP at this IoU ${now.ap.toFixed(3)}; over all ten ${(levels.reduce((total, level) => total + level.ap, 0) / levels.length).toFixed(3)}. ` +
      `Panoptic quality of what is kept ${quality.pq.toFixed(3)} = ${quality.sq.toFixed(3)} (how well) × ${quality.rq.toFixed(3)} (how many).`;
  }

  el.append(root);
  return follow(model, ["kept", "level"], draw);
}
