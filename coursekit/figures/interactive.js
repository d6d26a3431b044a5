// Parts of the interactive figures; Python puts this text before a figure's own. COLOURS are the classes' colours.
// A figure's own text defines render({ model, el }) and returns what ends its watching.

// An HTML element: element("td", { class: "on", onclick: f }, child, "text", …).
function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// The same for SVG: svg("circle", { cx: 4, cy: 4, r: 2 }).
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === false || value === undefined) continue;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// The figure's outermost element. It can be focused; while it itself has the focus, `keys` act: { ArrowRight: f, " ": g }.
// A part inside that takes keys of its own (a slider, a menu) keeps them.
function frame(model, name, keys, ...children) {
  const root = element("section", {
    class: `ck-figure ck-${name}`, tabindex: 0, role: "group", "aria-label": model.get("label"),
    "data-lm-suppress-shortcuts": "true", // JupyterLab's own keys would act on the cell
    onkeydown: (event) => {
      if (event.target !== root || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key](event);
    },
  }, ...children);
  return root;
}

// Controls, each inside its <label>, whose `.control` it is; tests and screen readers find it by its name.
function labelled(name, control) {
  control.setAttribute("aria-label", name);
  return element("label", {}, name, control);
}

function slider(name, { min, max, step = 1, value = min }, choose) {
  const input = element("input", { type: "range", min, max, step, value, oninput: () => choose(Number(input.value)) });
  return labelled(name, input);
}

function menu(name, options, choose) {
  const select = element("select", { onchange: () => choose(select.value) },
    ...options.map((value) => element("option", { value }, String(value))));
  return labelled(name, select);
}

function checkbox(name, checked, choose) {
  const input = element("input", { type: "checkbox", checked, onchange: () => choose(input.checked) });
  return labelled(name, input);
}

function button(name, text, act) {
  return element("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
}

// The sentence that says what is to be seen, read out when it changes.
function told() {
  return element("output", { "aria-live": "polite" });
}

// Draw now, and whenever one of these traits changes; the result ends it.
function follow(model, traits, draw) {
  const events = traits.map((trait) => `change:${trait}`);
  events.forEach((event) => model.on(event, draw));
  draw();
  return () => events.forEach((event) => model.off(event, draw));
}

// Set traits here and in the kernel.
function put(model, changes) {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  model.save_changes();
}

const within = (value, low, high) => Math.min(high, Math.max(low, value));
const short = (value, digits = 2) => String(Number(value.toFixed(digits)));
const argmax = (values) => values.indexOf(Math.max(...values));

// A flat list as rows of `width`.
function reshape(flat, width) {
  const rows = [];
  for (let at = 0; at < flat.length; at += width) rows.push(flat.slice(at, at + width));
  return rows;
}

// A table of numbers under a caption; `classOf(i, j, value)` is "", "on" or "now".
function grid(caption, rows, classOf, label = short) {
  const body = rows.map((row, i) =>
    element("tr", {}, ...row.map((value, j) => element("td", { class: classOf(i, j, value) }, label(value)))));
  return element("figure", {}, element("figcaption", {}, caption), element("table", {}, ...body));
}

// A canvas of width × height pixels, each shown `scale` times enlarged. `alt` describes it.
function canvas(width, height, scale, alt) {
  return element("canvas", {
    width, height, role: "img", "aria-label": alt, style: `width: ${width * scale}px; height: ${height * scale}px`,
  });
}

// The bytes of a Bytes trait, as figures.interactive.rgba makes them, as the ImageData of a canvas.
function imageData(view, width, height) {
  return new ImageData(new Uint8ClampedArray(view.buffer, view.byteOffset, view.byteLength), width, height);
}

// Draw every pixel of a canvas: `colour(at)` is [red, green, blue] of the pixel at y · width + x.
function fillCanvas(target, colour) {
  const image = new ImageData(target.width, target.height);
  for (let at = 0; at < target.width * target.height; at++) image.data.set([...colour(at), 255], 4 * at);
  target.getContext("2d").putImageData(image, 0, 0);
}

// The pixel [x, y] of a canvas under the pointer.
function pixelAt(target, event) {
  const box = target.getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * target.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * target.height);
  return [within(x, 0, target.width - 1), within(y, 0, target.height - 1)];
}

// From −1, blue, over white to 1, orange; small values show.
function diverging(value) {
  const end = value < 0 ? [15, 80, 160] : [200, 66, 12], share = Math.sqrt(Math.abs(value));
  return end.map((c) => 250 + share * (c - 250));
}

// "#1425cf" → [20, 37, 207]
const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
