// A sheet to draw on, and beside it what a U-Net, computed here, makes of the drawing.

function render({ model, el }) {
  const [height, width] = model.get("shape"), scale = Math.max(1, Math.floor(320 / width));
  const examples = model.get("drawings"), names = Object.keys(examples);
  const network = unpack(model.get("weights"), model.get("layers"));
  const lines = Float32Array.from(examples[names[0]]);
  let pen = [width >> 1, height >> 1], waiting = false;

  const sheet = canvas(width, height, scale, "the sheet"), photo = canvas(width, height, scale, "what the generator paints");
  const example = menu("drawing", names, (name) => { lines.set(examples[name]); repaint(); });
  const eraser = checkbox("eraser", false, () => {});
  const words = told();
  const mark = (x, y, value) => { if (x >= 0 && y >= 0 && x < width && y < height) lines[y * width + x] = value; };
  const arrow = (dx, dy) => (event) => {
    pen = [within(pen[0] + dx, 0, width - 1), within(pen[1] + dy, 0, height - 1)];
    if (event.shiftKey) mark(...pen, eraser.control.checked ? 0 : 1);
    repaint();
  };
  const clear = () => { lines.fill(0); repaint(); };
  const root = frame(model, "sketch", {
    ArrowRight: arrow(1, 0), ArrowLeft: arrow(-1, 0), ArrowDown: arrow(0, 1), ArrowUp: arrow(0, -1), Delete: clear,
    " ": () => { mark(...pen, 1 - lines[pen[1] * width + pen[0]]); repaint(); },
  },
    element("div", { class: "bar" }, example, eraser, button("clear the sheet", "clear", clear)), words,
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "draw here"), sheet),
      element("figure", {}, element("figcaption", {}, "the generator"), photo)));

  const at = (event) => {
    const area = sheet.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top].map((place) => Math.floor(place / scale));
  };
  let last = null;
  sheet.addEventListener("pointerdown", (event) => { sheet.setPointerCapture(event.pointerId); last = at(event); stroke(last); });
  sheet.addEventListener("pointermove", (event) => { if (last) stroke(at(event)); });
  sheet.addEventListener("pointerup", () => { last = null; });

  // A line from the last place to this one; the eraser is three pixels wide.
  function stroke([x, y]) {
    const steps = Math.max(1, Math.abs(x - last[0]), Math.abs(y - last[1]));
    const wiping = eraser.control.checked;
    for (let i = 0; i <= steps; i++) {
      const [px, py] = [last[0] + ((x - last[0]) * i) / steps, last[1] + ((y - last[1]) * i) / steps].map(Math.round);
      if (!wiping) mark(px, py, 1);
      else for (const dy of [-1, 0, 1]) for (const dx of [-1, 0, 1]) mark(px + dx, py + dy, 0);
    }
    last = pen = [x, y];
    repaint();
  }

  // The pen leaves its line at once; the generator, which takes longer, follows as soon as the line is on the screen.
  function repaint() {
    drawSheet();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => setTimeout(() => { waiting = false; paintStreet(); }));
  }

  function drawSheet() {
    const drawn = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) drawn.data.set([255 * lines[i], 255 * lines[i], 255 * lines[i], 255], 4 * i);
    const [x, y] = pen;
    if (x >= 0 && y >= 0 && x < width && y < height) drawn.data.set([242, 177, 52, 255], 4 * (y * width + x));
    sheet.getContext("2d").putImageData(drawn, 0, 0);
  }

  function paintStreet() {
    const made = new ImageData(width, height), [x, y] = pen;
    const painted = network(lines, height, width), plane = width * height, mean = [0, 0, 0];
    for (let i = 0; i < plane; i++) {
      const colour = [0, 1, 2].map((c) => 1 / (1 + Math.exp(-painted[c * plane + i])));
      colour.forEach((value, c) => { mean[c] += value / plane; });
      made.data.set([...colour.map((value) => 255 * value), 255], 4 * i);
    }
    photo.getContext("2d").putImageData(made, 0, 0);
    const count = lines.reduce((total, value) => total + value, 0);
    words.textContent = `${count} of ${plane} pixels are lines. The generator's picture is on average ` +
      `${mean.map((value) => (100 * value).toFixed(1)).join(", ")} per cent red, green, blue. The pen is at column ${x}, row ${y}.`;
  }

  el.append(root);
  drawSheet();
  paintStreet();
  return () => {};
}

// A U-Net with padding "same" from its weights, floats one after another, and their names and shapes, as coursekit.models.UNet
// keeps them: the function from one plane of lines to three planes of logits.
function unpack(view, layers) {
  const floats = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)), part = {};
  let start = 0;
  for (const [name, shape] of layers) {
    const size = shape.reduce((product, side) => product * side, 1);
    part[name] = { values: floats.subarray(start, start + size), shape };
    start += size;
  }
  const depth = layers.filter(([name]) => /^up\.\d+\.weight$/.test(name)).length;
  const once = (x, name) => convolve(x, part[`${name}.weight`], part[`${name}.bias`]);
  const twice = (x, name) => once(once(x, `${name}.0`), `${name}.2`);
  return (lines, height, width) => {
    let x = { values: lines, channels: 1, height, width };
    const skips = [];
    for (let level = 0; level <= depth; level++) {
      x = twice(x, `down.${level}`);
      if (level < depth) { skips.push(x); x = pool(x); }
    }
    for (let level = 0; level < depth; level++)
      x = twice(beside(skips.pop(), enlarge(x, part[`up.${level}.weight`], part[`up.${level}.bias`])), `merge.${level}`);
    return mix(x, part["classifier.weight"], part["classifier.bias"]);
  };
}

// A 3 × 3 convolution that keeps the picture's size, and ReLU: the picture with a border of zeros, row by row of the kernel.
function convolve({ values, channels, height, width }, weight, bias) {
  const outputs = weight.shape[0], stride = width + 2, plane = (height + 2) * stride, padded = new Float32Array(channels * plane);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      padded.set(values.subarray((c * height + y) * width, (c * height + y + 1) * width), c * plane + (y + 1) * stride + 1);
  const result = new Float32Array(outputs * height * width);
  for (let o = 0, w = 0; o < outputs; o++) {
    const target = result.subarray(o * height * width, (o + 1) * height * width).fill(bias.values[o]);
    for (let c = 0; c < channels; c++)
      for (let dy = 0; dy < 3; dy++) {
        const left = weight.values[w++], middle = weight.values[w++], right = weight.values[w++];
        for (let y = 0, to = 0; y < height; y++) {
          let from = c * plane + (y + dy) * stride;
          for (let x = 0; x < width; x++, from++)
            target[to++] += left * padded[from] + middle * padded[from + 1] + right * padded[from + 2];
        }
      }
    for (let i = 0; i < target.length; i++) if (target[i] < 0) target[i] = 0;
  }
  return { values: result, channels: outputs, height, width };
}

// A 1 × 1 convolution: every output is a weighted sum of the channels.
function mix({ values, channels }, weight, bias) {
  const plane = values.length / channels, result = new Float32Array(weight.shape[0] * plane);
  for (let o = 0; o < weight.shape[0]; o++) {
    result.fill(bias.values[o], o * plane, (o + 1) * plane);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < plane; i++) result[o * plane + i] += weight.values[o * channels + c] * values[c * plane + i];
  }
  return result;
}

// 2 × 2 maximum.
function pool({ values, channels, height, width }) {
  const h = height >> 1, w = width >> 1, result = new Float32Array(channels * h * w);
  for (let c = 0, to = 0; c < channels; c++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) {
        const from = (c * height + 2 * y) * width + 2 * x;
        result[to++] = Math.max(values[from], values[from + 1], values[from + width], values[from + width + 1]);
      }
  return { values: result, channels, height: h, width: w };
}

// 2 × 2 transposed convolution with stride 2: every value stamps its own square.
function enlarge({ values, channels, height, width }, weight, bias) {
  const outputs = weight.shape[1], wide = 2 * width, plane = 4 * height * width, result = new Float32Array(outputs * plane);
  for (let o = 0; o < outputs; o++) {
    result.fill(bias.values[o], o * plane, (o + 1) * plane);
    for (let c = 0; c < channels; c++) {
      const [a, b, d, e] = weight.values.subarray(4 * (c * outputs + o), 4 * (c * outputs + o) + 4);
      for (let y = 0, from = c * height * width; y < height; y++)
        for (let x = 0, to = o * plane + 2 * y * wide; x < width; x++, to += 2) {
          const value = values[from++];
          result[to] += a * value;
          result[to + 1] += b * value;
          result[to + wide] += d * value;
          result[to + wide + 1] += e * value;
        }
    }
  }
  return { values: result, channels: outputs, height: 2 * height, width: wide };
}

// The channels of one after those of the other.
function beside(first, second) {
  const values = new Float32Array(first.values.length + second.values.length);
  values.set(first.values);
  values.set(second.values, first.values.length);
  return { ...first, values, channels: first.channels + second.channels };
}
