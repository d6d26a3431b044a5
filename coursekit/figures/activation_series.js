// One map of the series, enlarged to the picture's size, beside the picture.

function render({ model, el }) {
  const [height, width] = model.get("size");
  const [steps, frames] = [model.get("steps"), model.get("frames")];
  const scale = 400 / width;
  const maps = steps.map(({ size: [tall, wide] }, index) => {
    const map = element("canvas", { width: wide, height: tall });
    map.getContext("2d").putImageData(imageData(frames[index], wide, tall), 0, 0);
    return map;
  });
  const picture = canvas(width, height, scale, "the picture");
  picture.getContext("2d").putImageData(imageData(model.get("pixels"), width, height), 0, 0);
  const board = canvas(400, Math.round(height * scale), 1, "the map of the chosen layer, dark where it is zero");

  const go = (step) => put(model, { step: within(step, 0, steps.length - 1) });
  const by = (difference) => () => go(model.get("step") + difference);
  const chosen = slider("layer", { min: 0, max: steps.length - 1 }, go);
  const words = told();
  el.append(frame(model, "series", {
    ArrowLeft: by(-1), ArrowUp: by(-1), ArrowRight: by(1), ArrowDown: by(1),
    Home: () => go(0), End: () => go(steps.length - 1),
  },
  element("div", { class: "bar" }, button("previous layer", "◀", by(-1)), chosen, button("next layer", "▶", by(1))),
  words,
  element("div", { class: "row" }, board, picture)));

  function draw() {
    const step = model.get("step");
    const { title, size: [tall, wide], zeros } = steps[step];
    const paint = board.getContext("2d");
    paint.imageSmoothingEnabled = false;
    paint.drawImage(maps[step], 0, 0, board.width, board.height);
    chosen.control.value = step;
    chosen.control.setAttribute("aria-valuetext", title);
    words.textContent = `${step + 1} of ${steps.length}, ${title}: a map of ${tall} × ${wide}, ${short(100 * zeros, 0)} % of it zero.`;
  }

  return follow(model, ["step"], draw);
}
