// A pixel on the picture, and at each level the bin that holds it. Bins are those of torch's adaptive pooling.

function render({ model, el }) {
  const [height, width] = model.get("size");
  const [classes, bins] = [model.get("classes"), model.get("bins")];
  const scale = 440 / width;
  const picture = element("canvas", { width, height });
  picture.getContext("2d").putImageData(imageData(model.get("pixels"), width, height), 0, 0);
  const board = canvas(440, Math.round(height * scale), 1, "the picture with the bins of one level, and a pixel");
  const small = bins.map((side) => canvas(150, Math.round((150 * height) / width), 1, `mean colours in ${side} × ${side} bins`));

  const go = (y, x) => put(model, { y: within(y, 0, height - 1), x: within(x, 0, width - 1) });
  const step = Math.max(1, Math.round(width / 48));
  const by = (down, across) => () => go(model.get("y") + down * step, model.get("x") + across * step);
  const choose = (level) => put(model, { level });
  board.addEventListener("pointermove", (event) => {
    go(Math.floor(event.offsetY / scale), Math.floor(event.offsetX / scale));
  });

  const levels = menu("bins over the picture", bins, (value) => choose(bins.indexOf(Number(value))));
  const words = told();
  const said = bins.map((side) => element("figcaption", {}, ""));
  el.append(frame(model, "bins", {
    ArrowUp: by(-1, 0), ArrowDown: by(1, 0), ArrowLeft: by(0, -1), ArrowRight: by(0, 1),
    ...Object.fromEntries(bins.map((side, level) => [String(side), () => choose(level)])),
  },
  element("div", { class: "bar" }, levels),
  words,
  element("div", { class: "row" }, board,
    element("div", { class: "levels" }, ...small.map((one, level) => element("figure", {}, one, said[level]))))));

  // The bin of a pixel, [row, column], and a bin's first and last + 1 pixel along a side.
  const binOf = (side) => [model.get("y"), model.get("x")].map((at, axis) => Math.floor((at * side) / [height, width][axis]));
  const span = (index, side, length) => [Math.floor((index * length) / side), Math.ceil(((index + 1) * length) / side)];
  const mostly = (shares) => shares.map((share, label) => [share, classes[label]]).sort((a, b) => b[0] - a[0])
    .slice(0, 3).filter(([share]) => share >= 0.02).map(([share, name]) => `${name} ${short(100 * share, 0)}\u00a0%`).join(", ");

  function draw() {
    const level = model.get("level");
    const side = bins[level];
    levels.control.value = side;

    const paint = board.getContext("2d");
    paint.setTransform(scale, 0, 0, scale, 0, 0);
    paint.imageSmoothingEnabled = false;
    paint.drawImage(picture, 0, 0);
    const [row, column] = binOf(side);
    for (let i = 0; i < side; i++)
      for (let j = 0; j < side; j++) box(paint, i, j, side, "rgba(255, 255, 255, 0.8)", 1);
    box(paint, row, column, side, "#222", 5);
    box(paint, row, column, side, "#f2b134", 2.5);
    paint.fillStyle = "#222";
    paint.fillRect(model.get("x") - 2, model.get("y") - 2, 5, 5);
    paint.fillStyle = "#f2b134";
    paint.fillRect(model.get("x") - 1, model.get("y") - 1, 3, 3);

    bins.forEach((count, index) => {
      const [i, j] = binOf(count);
      const brush = small[index].getContext("2d");
      const [tall, wide] = [small[index].height / count, small[index].width / count];
      model.get("colours")[index].forEach((line, y) => line.forEach((colour, x) => {
        brush.fillStyle = `rgb(${colour.join(",")})`;
        brush.fillRect(Math.round(x * wide), Math.round(y * tall), Math.ceil(wide), Math.ceil(tall));
      }));
      for (const [style, line] of [["#222", 5], ["#f2b134", 2.5]]) {
        brush.strokeStyle = style;
        brush.lineWidth = line;
        brush.strokeRect(j * wide + 2, i * tall + 2, wide - 4, tall - 4);
      }
      said[index].textContent = `${count} × ${count}: ${mostly(model.get("shares")[index][i][j])}`;
    });
    const [rows, columns] = [span(row, side, height), span(column, side, width)];
    words.textContent = `The pixel in row ${model.get("y")}, column ${model.get("x")}: of ${side} × ${side} bins it lies in bin ` +
      `(${row}, ${column}), rows ${rows[0]} to ${rows[1] - 1}, columns ${columns[0]} to ${columns[1] - 1}. ` +
      `In that bin: ${mostly(model.get("shares")[level][row][column])}.`;
  }

  function box(paint, i, j, side, colour, line) {
    const [[top, bottom], [left, right]] = [span(i, side, height), span(j, side, width)];
    paint.strokeStyle = colour;
    paint.lineWidth = line / scale;
    paint.strokeRect(left, top, right - left, bottom - top);
  }

  return follow(model, ["level", "y", "x"], draw);
}
