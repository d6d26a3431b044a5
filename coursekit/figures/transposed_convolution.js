// Draws one step of a transposed convolution. All numbers come from Python; here they are only added up and shown.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const short = (value) => String(Math.round(value * 100) / 100);

function grid(caption, rows, classOf, label = short) {
  const body = rows.map((row, i) =>
    element("tr", {}, ...row.map((value, j) => element("td", { class: classOf(i, j, value) }, label(value))))
  );
  return element("figure", {}, element("figcaption", {}, caption), element("table", {}, ...body));
}

function reshape(flat, width) {
  const rows = [];
  for (let at = 0; at < flat.length; at += width) rows.push(flat.slice(at, at + width));
  return rows;
}

function render({ model, el }) {
  const values = model.get("x").flat();
  const choices = Object.keys(model.get("settings")).map((key) => key.split(",").map(Number));
  const names = ["stride", "padding", "output_padding"];
  const key = () => names.map((name) => model.get(name)).join(",");

  function set(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    if (!(key() in model.get("settings"))) model.set("output_padding", 0);
    model.save_changes();
  }
  const go = (step) => set({ step: Math.min(values.length, Math.max(1, step)) });

  const slider = element("input", {
    type: "range", min: 1, max: values.length, step: 1, "aria-label": "stamp",
    oninput: (event) => go(Number(event.target.value)),
  });
  const menus = names.map((name, position) => {
    const options = [...new Set(choices.map((choice) => choice[position]))];
    return element("select", { "aria-label": name.replace("_", " "),
      onchange: (event) => set({ [name]: Number(event.target.value) }) },
      ...options.map((value) => element("option", { value }, String(value))));
  });
  const grids = element("div", { class: "grids" });
  const matrix = element("div", { class: "matrix" });
  const told = element("output", { "aria-live": "polite" });
  const root = element("section", { class: "ck-tc", tabindex: 0, "aria-label": "Transposed convolution, stamp by stamp. Arrow keys step.",
    onkeydown: (event) => {
      if (event.target !== root) return;
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      go(model.get("step") + by);
    } },
    element("div", { class: "bar" },
      element("button", { type: "button", "aria-label": "previous stamp", onclick: () => go(model.get("step") - 1) }, "◀"),
      element("label", {}, "stamp ", slider),
      element("button", { type: "button", "aria-label": "next stamp", onclick: () => go(model.get("step") + 1) }, "▶"),
      ...menus.map((menu, i) => element("label", {}, names[i].replace("_", " "), menu))),
    told, grids, matrix);

  function draw() {
    const step = model.get("step");
    const { size: [height, width], covers, matrix: rows } = model.get("settings")[key()];
    const stamp = rows[step - 1];
    const total = stamp.map((_, at) => rows.slice(0, step).reduce((sum, row, i) => sum + values[i] * row[at], 0));
    const inputWidth = model.get("x")[0].length;
    const isNow = (i, j) => i * inputWidth + j === step - 1;

    slider.value = step;
    menus.forEach((menu, i) => { menu.value = model.get(names[i]); });
    [...menus[2].options].forEach((option) => {
      option.disabled = !([model.get("stride"), model.get("padding"), option.value].join(",") in model.get("settings"));
    });
    const inner = covers.filter((count) => count > 0);
    const even = Math.min(...inner) === Math.max(...inner);
    const [row, column] = [Math.floor((step - 1) / inputWidth), (step - 1) % inputWidth];
    told.textContent =
      `Stamp ${step} of ${values.length}: the input value ${short(values[step - 1])} in row ${row}, column ${column} ` +
      `times the kernel is added to the ${height} × ${width} output. Stamps on one place: ` +
      (even ? `${inner[0]} everywhere, an even pattern.` : `${Math.min(...inner)} to ${Math.max(...inner)}, a checkerboard.`);
    grids.replaceChildren(
      grid("input", model.get("x"), (i, j) => (isNow(i, j) ? "now" : i * inputWidth + j < step ? "on" : "")),
      grid("kernel", model.get("weights"), () => "on"),
      grid("output so far", reshape(total, width), (i, j, value) =>
        stamp[i * width + j] !== 0 ? "now" : value !== 0 ? "on" : ""),
      grid("stamps on each place, in the end", reshape(covers, width), (i, j, value) => (value > 1 ? "on" : "")));
    const lit = grid("the matrix X of the convolution; the lit row is this stamp, and the output is Xᵀ times the input",
      rows, (i, j, value) => (value !== 0 ? "on" : ""));
    lit.querySelectorAll("tr")[step - 1].className = "now";
    matrix.replaceChildren(lit);
  }

  el.append(root);
  draw();
  const watched = ["step", ...names].map((name) => `change:${name}`);
  watched.forEach((event) => model.on(event, draw));
  return () => watched.forEach((event) => model.off(event, draw));
}

export default { render };
