// A window over a picture: what it shares with the one before, and what all windows cost beside one dense pass.

function render({ model, el }) {
  const [height, width] = model.get("size"), scale = Math.max(2, Math.floor(440 / width));
  const photo = imageData(model.get("pixels"), width, height);
  const go = (dx, dy) => (event) => {
    const step = event?.shiftKey ? 10 : 1, [x, y] = model.get("at");
    put(model, { at: [within(x + step * dx, 0, width - 1), within(y + step * dy, 0, height - 1)] });
  };
  const side = menu("window", Object.keys(model.get("costs")), (value) => put(model, { window: Number(value) }));
  const picture = canvas(width, height, scale, "picture with the window"), words = told();
  const names = ["a window for every pixel", "the dense network", "dense, one pixel in 16"];
  const bars = names.map((name) => {
    const number = element("td"), length = element("div");
    return { number, length, row: element("tr", {}, element("td", {}, name), number, element("td", { class: "length" }, length)) };
  });
  const root = frame(model, "window", { ArrowLeft: go(-1, 0), ArrowRight: go(1, 0), ArrowUp: go(0, -1), ArrowDown: go(0, 1) },
    element("div", { class: "bar" }, side), words,
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "bright: read for this pixel; orange: read for the one before too"), picture),
      element("figure", {}, element("figcaption", {}, "multiplications for the whole picture (bars: logarithmic)"), element("table", {}, ...bars.map(({ row }) => row)))));
  picture.addEventListener("pointermove", (event) => put(model, { at: pixelAt(picture, event) }));

  function draw() {
    const [x, y] = model.get("at"), window = model.get("window"), reach = window >> 1, cost = model.get("costs")[window];
    side.control.value = window;
    const image = new ImageData(photo.data.slice(), width, height);
    for (let at = 0; at < width * height; at++) {
      const dx = (at % width) - x, dy = Math.floor(at / width) - y;
      const here = Math.abs(dx) <= reach && Math.abs(dy) <= reach, before = here && dx < reach;
      for (let c = 0; c < 3; c++) {
        const own = image.data[4 * at + c];
        image.data[4 * at + c] = dx === 0 && dy === 0 ? [34, 34, 34][c] : !here ? 0.45 * own : before ? 0.55 * own + 0.45 * [242, 177, 52][c] : 0.4 * own + 150;
      }
    }
    picture.getContext("2d").putImageData(image, 0, 0);
    const totals = [cost.window * width * height, cost.dense, cost.strided];
    bars.forEach(({ number, length }, i) => {
      number.textContent = `${(totals[i] / 1e9).toFixed(2)} G`;
      length.style.width = `${within((Math.log10(totals[i]) - 7) / 4, 0, 1) * 100}%`;
    });
    const done = y * width + x + 1;
    words.textContent =
      `Window ${done.toLocaleString("en")} of ${(width * height).toLocaleString("en")}, around row ${y}, column ${x}: ${window * (window - 1)} of its ` +
      `${window * window} pixels were read for the pixel before too; in the end each pixel is read ${window * window} times. ` +
      `So far ${((done * cost.window) / 1e9).toFixed(2)} G multiplications. The dense network needs ${(totals[0] / totals[1]).toFixed(1)} times fewer than all windows.`;
  }

  el.append(root);
  return follow(model, ["at", "window"], draw);
}
