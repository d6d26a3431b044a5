// Prototypes with a slider each; their weighted sum through a sigmoid is the mask, cropped to the object's box.

function render({ model, el }) {
  const [count, height, width] = model.get("shape"), area = height * width;
  const raw = model.get("prototypes");
  const prototypes = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
  const scale = Math.max(1, Math.floor(360 / width));
  let chosen = 0;

  const set = (number, value) => put(model, {
    coefficients: model.get("coefficients").map((old, i) => (i === number ? within(Math.round(value * 100) / 100, -3, 3) : old)),
  });
  const choose = (number) => { chosen = (number + count) % count; draw(); };
  const cells = Array.from({ length: count }, (_, i) => {
    const picture = canvas(width, height, Math.max(0.5, 110 / width), `prototype ${i + 1}`);
    paint(picture, (at) => prototypes[i * area + at], heat);
    picture.addEventListener("click", () => choose(i));
    const knob = slider(`c${i + 1}`, { min: -3, max: 3, step: 0.05 }, (value) => { chosen = i; set(i, value); });
    return { cell: element("div", {}, picture, knob, element("span", { class: "weight" })), knob };
  });
  const objects = menu("object", Object.keys(model.get("recipes")), (recipe) =>
    put(model, { recipe, coefficients: [...model.get("recipes")[recipe]] }));
  const tanh = checkbox("tanh", true, (on) => put(model, { tanh: on }));
  const crop = checkbox("crop to the box", true, (on) => put(model, { crop: on }));
  const zero = button("set all coefficients to zero", "all 0", () => put(model, { coefficients: Array(count).fill(0) }));
  const photo = canvas(width, height, scale, "the picture with the mask"), mask = canvas(width, height, scale, "the mask");
  const [imageHeight, imageWidth] = model.get("image_shape");
  const whole = new OffscreenCanvas(imageWidth, imageHeight);
  whole.getContext("2d").putImageData(imageData(model.get("pixels"), imageWidth, imageHeight), 0, 0);
  const words = told();
  const nudge = (by) => () => set(chosen, model.get("coefficients")[chosen] + by);
  const root = frame(model, "mixer", {
    ArrowRight: () => choose(chosen + 1), ArrowLeft: () => choose(chosen - 1), ArrowUp: nudge(0.1), ArrowDown: nudge(-0.1),
  },
    element("div", { class: "bar" }, objects, tanh, crop, zero), words,
    element("div", { class: "prototypes" }, ...cells.map(({ cell }) => cell)),
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "mask: white is inside"), mask),
      element("figure", {}, element("figcaption", {}, "on the picture"), photo)));

  // Fills a canvas: the values, from their least to their greatest or from 0 to 1, in a ramp of colours.
  function paint(target, value, ramp, range) {
    const values = Array.from({ length: area }, (_, at) => value(at));
    const [low, high] = range || [Math.min(...values), Math.max(...values)];
    const picture = new ImageData(width, height);
    values.forEach((v, at) => picture.data.set([...ramp(high > low ? (v - low) / (high - low) : 0), 255], 4 * at));
    target.getContext("2d").putImageData(picture, 0, 0);
  }

  function draw() {
    const coefficients = model.get("coefficients"), recipe = model.get("recipe");
    const weights = coefficients.map((c) => (model.get("tanh") ? Math.tanh(c) : c));
    const [left, top, right, bottom] = model.get("boxes")[recipe];
    objects.control.value = recipe;
    tanh.control.checked = model.get("tanh");
    crop.control.checked = model.get("crop");
    cells.forEach(({ cell, knob }, i) => {
      cell.className = i === chosen ? "now" : "";
      knob.control.value = coefficients[i];
      cell.lastChild.textContent = `× ${short(weights[i])}`;
    });

    const inside = (at) => { const x = at % width, y = Math.floor(at / width); return left <= x && x < right && top <= y && y < bottom; };
    const result = new Float32Array(area);
    for (let at = 0; at < area; at++) {
      if (model.get("crop") && !inside(at)) continue;
      let total = 0;
      for (let i = 0; i < count; i++) total += weights[i] * prototypes[i * area + at];
      result[at] = 1 / (1 + Math.exp(-total));
    }
    paint(mask, (at) => result[at], (v) => [v * 255, v * 255, v * 255], [0, 1]);
    const pen = photo.getContext("2d");
    pen.drawImage(whole, 0, 0, width, height);
    const shown = pen.getImageData(0, 0, width, height);
    result.forEach((v, at) => { if (v > 0.5) [242, 177, 52].forEach((c, k) => { shown.data[4 * at + k] = 0.35 * shown.data[4 * at + k] + 0.65 * c; }); });
    pen.putImageData(shown, 0, 0);
    for (const target of [mask, photo]) {
      const outline = target.getContext("2d");
      outline.strokeStyle = "#f2b134";
      outline.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
    }

    const pixels = result.reduce((sum, v) => sum + (v > 0.5), 0), truth = model.get("truths")[recipe];
    let score = "";
    if (truth) {
      const both = truth.reduce((sum, t, at) => sum + (t && result[at] > 0.5), 0);
      const either = truth.reduce((sum, t, at) => sum + (t || result[at] > 0.5 ? 1 : 0), 0);
      score = ` IoU with the true mask: ${short(either ? both / either : 0)}.`;
    }
    words.textContent = `Prototype ${chosen + 1} of ${count} has coefficient ${short(coefficients[chosen])}, weight ${short(weights[chosen])}. ` +
      `The mask of ${recipe} has ${pixels} of ${area} pixels.${score}`;
  }

  el.append(root);
  return follow(model, ["coefficients", "recipe", "tanh", "crop"], draw);
}

// Dark blue, green, yellow: dark to light for every reader.
function heat(v) {
  const stops = [[68, 1, 84], [49, 104, 142], [53, 183, 121], [253, 231, 37]], place = within(v, 0, 0.9999) * 3, i = Math.floor(place);
  return stops[i].map((c, k) => c + (place - i) * (stops[i + 1][k] - c));
}
