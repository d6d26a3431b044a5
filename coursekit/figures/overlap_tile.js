// The mirrored picture with one tile and what it needs, and beside it the answer of the tiles so far.

function render({ model, el }) {
  const [height, width] = model.get("size");
  const [context, beyond, tiles] = ["context", "beyond", "tiles"].map((name) => model.get(name));
  const [tall, wide] = [height, width].map((side) => side + 2 * context + beyond);
  const scale = 440 / wide;
  const mirrored = element("canvas", { width: wide, height: tall });
  mirrored.getContext("2d").putImageData(imageData(model.get("pixels"), wide, tall), 0, 0);
  const answer = element("canvas", { width, height });
  answer.getContext("2d").putImageData(imageData(model.get("answer"), width, height), 0, 0);
  const read = canvas(Math.round(wide * scale), Math.round(tall * scale), 1,
    "the picture and its mirrored margin; blue is read, yellow is answered for");
  const written = canvas(Math.ceil(width * scale) + 6, Math.ceil(height * scale) + 6, 1, "the answer of the tiles so far");

  const across = () => Math.ceil(width / model.get("tile"));
  const count = () => Math.ceil(height / model.get("tile")) * across();
  const go = (position) => put(model, { position: within(position, 0, count() - 1) });
  const by = (difference) => () => go(model.get("position") + difference);
  const resize = (tile) => put(model, { tile, position: 0 });
  const other = (difference) => () =>
    resize(tiles[within(tiles.indexOf(model.get("tile")) + difference, 0, tiles.length - 1)]);

  const steps = slider("tile", { min: 0, max: count() - 1 }, go);
  const sides = menu("side of a tile", tiles, (value) => resize(Number(value)));
  const words = told();
  el.append(frame(model, "tiles", {
    ArrowLeft: by(-1), ArrowRight: by(1), ArrowUp: other(1), ArrowDown: other(-1),
  },
  element("div", { class: "bar" }, button("previous tile", "◀", by(-1)), steps, button("next tile", "▶", by(1)), sides),
  words,
  element("div", { class: "row" },
    element("figure", {}, element("figcaption", {}, "what is read (blue) for one tile (yellow)"), read),
    element("figure", {}, element("figcaption", {}, "the answer so far"), written))));

  function draw() {
    const [tile, position] = [model.get("tile"), model.get("position")];
    const place = (index) => [Math.floor(index / across()) * tile, (index % across()) * tile];
    const [top, left] = place(position);
    const side = tile + 2 * context;
    steps.control.max = count() - 1;
    steps.control.value = position;
    sides.control.value = tile;

    const paint = begin(read, context * scale);
    paint.globalAlpha = 0.45;
    paint.drawImage(mirrored, -context, -context);
    paint.globalAlpha = 1;
    paint.drawImage(mirrored, left, top, side, side, left - context, top - context, side, side);
    paint.setLineDash([4, 4]);
    box(paint, 0, 0, width, height, "#222");
    paint.setLineDash([]);
    box(paint, left - context, top - context, side, side, "#1b3fbf");
    box(paint, left, top, tile, tile, "#f2b134");

    const brush = begin(written, 3);
    for (let index = 0; index <= position; index++) {
      const [y, x] = place(index);
      const [high, long] = [Math.min(tile, height - y), Math.min(tile, width - x)];
      brush.drawImage(answer, x, y, long, high, x, y, long, high);
    }
    box(brush, 0, 0, width, height, "#222");
    box(brush, left, top, tile, tile, "#f2b134");

    const real = [[top, height], [left, width]]
      .map(([from, end]) => Math.min(end, from + tile + context) - Math.max(0, from - context));
    const invented = 1 - (real[0] * real[1]) / side ** 2;
    words.textContent = `Tile ${position + 1} of ${count()}: to answer for ${tile} × ${tile} pixels from row ${top}, column ${left}, ` +
      `the network reads ${side} × ${side}; ${short(100 * invented, 0)} % of them are mirror image. ` +
      `All tiles together read ${short((count() * side ** 2) / (height * width), 1)} times as many pixels as the picture has.`;
  }

  function begin(board, corner) {
    const paint = board.getContext("2d");
    paint.setTransform(1, 0, 0, 1, 0, 0);
    paint.fillStyle = "#f4f1ea";
    paint.fillRect(0, 0, board.width, board.height);
    paint.setTransform(scale, 0, 0, scale, corner, corner);
    return paint;
  }

  function box(paint, x, y, long, high, colour) {
    for (const [style, line] of [["#fff", 5], [colour, 2.5]]) {
      paint.strokeStyle = style;
      paint.lineWidth = line / scale;
      paint.strokeRect(x, y, long, high);
    }
  }

  return follow(model, ["tile", "position"], draw);
}
