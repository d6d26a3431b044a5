// A person with keypoints, the mask of the chosen one in large, all masks in small. Dragging a joint moves its cell.

function render({ model, el }) {
  const [height, width] = model.get("shape"), size = model.get("size"), names = model.get("names");
  const [left, top, right, bottom] = model.get("box");
  const answer = model.get("heatmaps"); // empty, or one byte a cell
  const scale = Math.min(380 / (bottom - top), 300 / (right - left));
  const across = (right - left) * scale, down = (bottom - top) * scale;

  const person = canvas(Math.ceil(across), Math.ceil(down), 1, "the person in the box");
  const whole = new OffscreenCanvas(width, height);
  whole.getContext("2d").putImageData(imageData(model.get("pixels"), width, height), 0, 0);
  const large = canvas(size, size, Math.max(1, Math.floor(300 / size)), "the mask of the chosen keypoint");
  const small = names.map((name, i) => {
    const mask = canvas(size, size, 0.75, `mask of ${name}`);
    mask.addEventListener("click", () => put(model, { chosen: i }));
    return mask;
  });
  const choice = menu("keypoint", names, (name) => put(model, { chosen: names.indexOf(name) }));
  const network = answer.byteLength ? checkbox("what the network says", false, draw) : null;
  const words = told();

  const step = (by) => put(model, { chosen: (model.get("chosen") + by + names.length) % names.length });
  function move(x, y) {
    const keypoints = model.get("keypoints").map((point) => [...point]), chosen = model.get("chosen");
    keypoints[chosen] = [within(x, left, right), within(y, top, bottom), Math.max(keypoints[chosen][2], 1)];
    put(model, { keypoints });
  }
  function arrow(dx, dy) {
    return (event) => {
      if (!event.shiftKey) return dx && step(dx);
      const [x, y] = model.get("keypoints")[model.get("chosen")];
      move(x + (dx * (right - left)) / size, y + (dy * (bottom - top)) / size);
    };
  }
  const keys = { ArrowRight: arrow(1, 0), ArrowLeft: arrow(-1, 0), ArrowDown: arrow(0, 1), ArrowUp: arrow(0, -1) };
  const root = frame(model, "keypoints", keys,
    element("div", { class: "bar" }, button("previous keypoint", "◀", () => step(-1)), choice,
      button("next keypoint", "▶", () => step(1)), ...(network ? [network] : [])),
    words,
    element("div", { class: "row" },
      element("figure", {}, element("figcaption", {}, "the person (drag the joints)"), person),
      element("figure", {}, element("figcaption", {}, `the chosen mask, ${size} × ${size}`), large),
      element("figure", {}, element("figcaption", {}, `all ${names.length} masks`), element("div", { class: "masks" }, ...small))));

  const at = (event) => {
    const area = person.getBoundingClientRect();
    return [left + (event.clientX - area.left) / scale, top + (event.clientY - area.top) / scale];
  };
  let held = false;
  person.addEventListener("pointerdown", (event) => {
    const [x, y] = at(event);
    const distances = model.get("keypoints").map(([px, py, visibility]) => (visibility ? Math.hypot(px - x, py - y) : Infinity));
    put(model, { chosen: argmax(distances.map((distance) => -distance)) });
    held = true;
    person.setPointerCapture(event.pointerId);
  });
  person.addEventListener("pointermove", (event) => { if (held) move(...at(event)); });
  person.addEventListener("pointerup", () => { held = false; });

  // The cell of a keypoint in the box; on the far edge it is the last one. Null where nothing is to be learned.
  function cellOf([x, y, visibility]) {
    const place = (value, first, last) => (value === last ? size - 1 : Math.floor(((value - first) / (last - first)) * size));
    const [column, row] = [place(x, left, right), place(y, top, bottom)];
    return visibility && row >= 0 && row < size && column >= 0 && column < size ? [row, column] : null;
  }

  function paintMask(mask, index, cell) {
    const picture = new ImageData(size, size), bytes = picture.data;
    const probabilities = network?.control.checked;
    for (let i = 0; i < size * size; i++) {
      const value = probabilities ? answer.getUint8(index * size * size + i) : 0;
      bytes.set([value, Math.round(value * 0.75), Math.round(40 * (1 - value / 255)), 255], 4 * i);
    }
    if (cell && !probabilities) bytes.set([255, 255, 255, 255], 4 * (cell[0] * size + cell[1]));
    mask.getContext("2d").putImageData(picture, 0, 0);
  }

  function draw() {
    const keypoints = model.get("keypoints"), chosen = model.get("chosen");
    choice.control.value = names[chosen];
    const pen = person.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(whole, left, top, right - left, bottom - top, 0, 0, across, down);
    const place = ([x, y]) => [(x - left) * scale, (y - top) * scale];
    pen.lineWidth = 2;
    pen.strokeStyle = "#ffffff";
    for (const [a, b] of model.get("skeleton")) {
      if (!keypoints[a][2] || !keypoints[b][2]) continue;
      pen.beginPath();
      pen.moveTo(...place(keypoints[a]));
      pen.lineTo(...place(keypoints[b]));
      pen.stroke();
    }
    keypoints.forEach((point, i) => {
      if (!point[2]) return;
      pen.beginPath();
      pen.arc(...place(point), i === chosen ? 8 : 4.5, 0, 7);
      pen.fillStyle = i === chosen ? "#f2b134" : point[2] === 2 ? "#0f6bb5" : "#c8420c";
      pen.fill();
      pen.stroke();
    });
    const cells = keypoints.map(cellOf);
    small.forEach((mask, i) => { mask.className = i === chosen ? "now" : ""; paintMask(mask, i, cells[i]); });
    paintMask(large, chosen, cells[chosen]);

    const visibility = ["not marked", "hidden", "seen"][keypoints[chosen][2]], cell = cells[chosen];
    words.textContent = `${names[chosen]} (${visibility}): ` + (cell
      ? `row ${cell[0]}, column ${cell[1]}, so the class is ${cell[0] * size + cell[1]} of ${size * size}.`
      : "no cell, so it is left out of the loss.");
  }

  el.append(root);
  return follow(model, ["keypoints", "chosen"], draw);
}
