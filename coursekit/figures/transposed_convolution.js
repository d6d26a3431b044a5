// Draws one step of a transposed convolution. All numbers come from Python; here they are only added up and shown.

function render({ model, el }) {
  const values = model.get("x").flat();
  const choices = Object.keys(model.get("settings")).map((key) => key.split(",").map(Number));
  const names = ["stride", "padding", "output_padding"];
  const key = () => names.map((name) => model.get(name)).join(",");

  function set(changes) {
    const chosen = { ...Object.fromEntries(names.map((name) => [name, model.get(name)])), ...changes };
    if (!(names.map((name) => chosen[name]).join(",") in model.get("settings"))) chosen.output_padding = 0;
    put(model, chosen);
  }
  const go = (step) => put(model, { step: within(step, 1, values.length) });
  const by = (difference) => () => go(model.get("step") + difference);

  const stamps = slider("stamp", { min: 1, max: values.length }, go);
  const menus = names.map((name, position) =>
    menu(name.replace("_", " "), [...new Set(choices.map((choice) => choice[position]))],
      (value) => set({ [name]: Number(value) })));
  const grids = element("div", { class: "row" });
  const matrix = element("div", { class: "matrix" });
  const words = told();
  const root = frame(model, "tc", { ArrowRight: by(1), ArrowDown: by(1), ArrowLeft: by(-1), ArrowUp: by(-1) },
    element("div", { class: "bar" },
      button("previous stamp", "◀", by(-1)), stamps, button("next stamp", "▶", by(1)), ...menus),
    words, grids, matrix);

  function draw() {
    const step = model.get("step");
    const { size: [height, width], covers, matrix: rows } = model.get("settings")[key()];
    const stamp = rows[step - 1];
    const total = stamp.map((_, at) => rows.slice(0, step).reduce((sum, row, i) => sum + values[i] * row[at], 0));
    const inputWidth = model.get("x")[0].length;
    const isNow = (i, j) => i * inputWidth + j === step - 1;

    stamps.control.value = step;
    menus.forEach((menu, i) => { menu.control.value = model.get(names[i]); });
    [...menus[2].control.options].forEach((option) => {
      option.disabled = !([model.get("stride"), model.get("padding"), option.value].join(",") in model.get("settings"));
    });
    const inner = covers.filter((count) => count > 0);
    const even = Math.min(...inner) === Math.max(...inner);
    const [row, column] = [Math.floor((step - 1) / inputWidth), (step - 1) % inputWidth];
    words.textContent =
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
  return follow(model, ["step", ...names], draw);
}
