// The picture in its margin, the values of a layer as dots, one value's cell and its receptive field.

function render({ model, el }) {
  const [height, width] = model.get("size");
  const margin = model.get("margin");
  const layers = model.get("layers");
  const scale = within(Math.round(640 / (width + 2 * margin)), 1, 4);
  const now = () => layers[model.get("layer")];

  const picture = element("canvas", { width, height });
  picture.getContext("2d").putImageData(imageData(model.get("pixels"), width, height), 0, 0);
  const board = canvas((width + 2 * margin) * scale, (height + 2 * margin) * scale, 1,
    "the picture; what one value of the layer sees is bright and framed");

  const go = (row, column) => put(model, {
    row: within(row, 0, now().count[0] - 1), column: within(column, 0, now().count[1] - 1),
  });
  const by = (down, across) => () => go(model.get("row") + down, model.get("column") + across);
  const middle = ({ start, size, stride }, index) => start + (size - 1) / 2 + index * stride;
  const nearest = (layer, place) => Math.round((place - layer.start - (layer.size - 1) / 2) / layer.stride);

  // Another layer, at the same place of the picture.
  function choose(number) {
    const [y, x] = [middle(now(), model.get("row")), middle(now(), model.get("column"))];
    const layer = within(number, 0, layers.length - 1);
    model.set("layer", layer);
    go(nearest(layers[layer], y), nearest(layers[layer], x));
  }
  board.addEventListener("pointermove", (event) => {
    go(nearest(now(), event.offsetY / scale - margin), nearest(now(), event.offsetX / scale - margin));
  });

  const level = slider("layer", { min: 0, max: layers.length - 1 }, choose);
  const words = told();
  el.append(frame(model, "fields", {
    ArrowUp: by(-1, 0), ArrowDown: by(1, 0), ArrowLeft: by(0, -1), ArrowRight: by(0, 1),
    PageUp: () => choose(model.get("layer") - 1), PageDown: () => choose(model.get("layer") + 1),
  },
  element("div", { class: "bar" },
    button("previous layer", "◀", () => choose(model.get("layer") - 1)), level,
    button("next layer", "▶", () => choose(model.get("layer") + 1))),
  words, board));

  function draw() {
    const layer = now();
    const [row, column] = [model.get("row"), model.get("column")];
    const [top, left] = [row, column].map((index) => layer.start + index * layer.stride);
    const paint = board.getContext("2d");
    paint.setTransform(1, 0, 0, 1, 0, 0);
    paint.fillStyle = "#f4f1ea";
    paint.fillRect(0, 0, board.width, board.height);
    paint.setTransform(scale, 0, 0, scale, margin * scale, margin * scale);
    paint.imageSmoothingEnabled = false;
    paint.globalAlpha = 0.35;
    paint.drawImage(picture, 0, 0);
    paint.globalAlpha = 1;
    paint.save();
    paint.beginPath();
    paint.rect(left, top, layer.size, layer.size);
    paint.clip();
    paint.fillStyle = "#e3ddd0";
    paint.fillRect(-margin, -margin, width + 2 * margin, height + 2 * margin);
    paint.drawImage(picture, 0, 0);
    paint.restore();
    if (layer.stride >= 4) {
      paint.fillStyle = "#222";
      for (let i = 0; i < layer.count[0]; i++)
        for (let j = 0; j < layer.count[1]; j++) paint.fillRect(middle(layer, j), middle(layer, i), 1, 1);
    }
    box(paint, left, top, layer.size, "#222");
    box(paint, middle(layer, column) - layer.stride / 2 + 0.5, middle(layer, row) - layer.stride / 2 + 0.5, layer.stride, "#c8420c");

    const seen = [[top, height], [left, width]].map(([from, side]) =>
      Math.max(0, Math.min(side, from + layer.size) - Math.max(0, from)));
    const outside = 1 - (seen[0] * seen[1]) / layer.size ** 2;
    level.control.value = model.get("layer");
    level.control.setAttribute("aria-valuetext", layer.title);
    words.textContent = `${layer.title}, stride ${layer.stride}: the value in row ${row}, column ${column} sees ` +
      `${layer.size} × ${layer.size} pixels, rows ${top} to ${top + layer.size - 1}, columns ${left} to ` +
      `${left + layer.size - 1}. ${short(100 * outside, 0)} % of them lie outside the picture.`;
  }

  function box(paint, left, top, size, colour) {
    for (const [style, line] of [["#fff", 4], [colour, 2]]) {
      paint.strokeStyle = style;
      paint.lineWidth = line / scale;
      paint.strokeRect(left, top, size, size);
    }
  }

  return follow(model, ["layer", "row", "column"], draw);
}
