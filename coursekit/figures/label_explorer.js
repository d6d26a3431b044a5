// A picture and its three labels, with one pixel chosen in all of them.

function render({ model, el }) {
  const [height, width] = model.get("size"), ids = model.get("ids"), segments = model.get("segments");
  const view = model.get("pixels"), photo = new Uint8Array(view.buffer, view.byteOffset, view.byteLength), scale = Math.max(2, Math.floor(340 / width));
  const of = (at) => segments[ids[at]];
  const things = Object.values(segments).filter((segment) => segment.mask !== null).length;
  const shade = (segment) => segment.mask === null ? 1 : 0.55 + 0.45 * (segment.mask % 4) / 3;
  const maps = {
    "picture": (at) => photo.slice(4 * at, 4 * at + 3),
    "semantic label": (at) => (of(at) ? rgb(COLOURS[of(at).class]) : [255, 255, 255]),
    "instance label": (at, chosen) => {
      const segment = of(at), mask = segment && segment.mask !== null;
      return !mask ? [244, 241, 234] : rgb(COLOURS[(segment.mask + 1) % COLOURS.length]).map((c) => (ids[at] === chosen ? c : 0.35 * c + 150));
    },
    "panoptic label": (at) => (of(at) ? rgb(COLOURS[of(at).class]).map((c) => c * shade(of(at))) : [255, 255, 255]),
  };
  const move = (dx, dy) => (event) => {
    const step = event.shiftKey ? 8 : 1, [x, y] = model.get("at");
    put(model, { at: [within(x + step * dx, 0, width - 1), within(y + step * dy, 0, height - 1)] });
  };
  const words = told();
  const shown = Object.entries(maps).map(([name, colour]) => ({ colour, node: canvas(width, height, scale, name), said: element("figcaption"), name }));
  const root = frame(model, "labels", { ArrowLeft: move(-1, 0), ArrowRight: move(1, 0), ArrowUp: move(0, -1), ArrowDown: move(0, 1) },
    words, element("div", { class: "row" }, ...shown.map(({ node, said }) => element("figure", {}, said, node))));
  for (const { node } of shown) {
    node.addEventListener("pointermove", (event) => put(model, { at: pixelAt(node, event) }));
  }

  // The maps change only when another segment is chosen; a moving pixel needs its cross alone.
  let drawn = null;
  function draw() {
    const [x, y] = model.get("at"), at = y * width + x, id = ids[at], segment = of(at);
    for (const each of shown) {
      if (each.name === "instance label" || drawn === null) {
        if (drawn !== id || !each.image) {
          each.image = new ImageData(width, height);
          for (let i = 0; i < width * height; i++) each.image.data.set([...each.colour(i, id), 255], 4 * i);
        }
      }
      const context = each.node.getContext("2d");
      context.putImageData(each.image, 0, 0);
      context.fillStyle = "#222";
      for (const [dx, dy] of [[-3, 0], [-2, 0], [2, 0], [3, 0], [0, -3], [0, -2], [0, 2], [0, 3]]) context.fillRect(x + dx, y + dy, 1, 1);
    }
    drawn = id;
    const says = {
      "picture": `picture: row ${y}, column ${x}`,
      "semantic label": segment ? `semantic: class ${segment.class}, ${segment.name}` : "semantic: 255, void",
      "instance label": segment?.mask != null ? `instance: in mask ${segment.mask} of ${things}` : `instance: in none of ${things} masks`,
      "panoptic label": segment ? `panoptic: segment ${id}, ${segment.name}` : "panoptic: 0, void",
    };
    shown.forEach(({ name, said }) => { said.textContent = says[name]; });
    words.textContent = !segment ? `Row ${y}, column ${x} is void: nobody is judged here.` :
      `Row ${y}, column ${x} is ${segment.name}, ${segment.mask === null ? "stuff" : "a thing"}. ` +
      `Its segment has ${segment.area} pixels. In the PNG its id ${id} is the colour (${id % 256}, ${Math.floor(id / 256) % 256}, ${Math.floor(id / 65536)}).`;
  }

  el.append(root);
  return follow(model, ["at"], draw);
}
