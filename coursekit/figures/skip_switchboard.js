// A switch a skip, the label map of that combination, and what each class has lost.

function render({ model, el }) {
  const [height, width] = model.get("size");
  const classes = model.get("classes");
  const scale = 280 / width;
  const inks = COLOURS.map(rgb);
  const picture = canvas(width, height, scale, "the picture");
  picture.getContext("2d").putImageData(imageData(model.get("pixels"), width, height), 0, 0);
  const board = canvas(width, height, scale, "the label map with the chosen skips");
  const frames = Object.fromEntries(Object.entries(model.get("labels")).map(([key, view]) => [key, painted(view)]));

  function painted(view) {
    const image = new ImageData(width, height);
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).forEach((label, at) => {
      image.data.set([...inks[label % inks.length], 255], 4 * at);
    });
    return image;
  }

  const on = () => model.get("switches");
  const all = on().map(() => "1").join("");
  const flip = (number) => put(model, { switches: on().map((value, i) => (i === number ? !value : value)) });
  const flipAll = () => put(model, { switches: on().map(() => !on().every(Boolean)) });
  const switches = on().map((value, number) => checkbox(
    `skip ${number + 1}${number === 0 ? ", the finest" : number === on().length - 1 ? ", the coarsest" : ""}`,
    value, () => flip(number)));
  const words = told();
  const bars = element("table", { class: "bars" });
  el.append(frame(model, "skips", {
    ...Object.fromEntries(on().map((_, number) => [String(number + 1), () => flip(number)])), 0: flipAll,
  },
  element("div", { class: "bar" }, ...switches, button("all skips off or on", "all", flipAll)),
  words,
  element("div", { class: "row" }, board, picture, element("figure", {}, element("figcaption", {}, "IoU; the marks: with all skips"), bars))));

  function draw() {
    const key = on().map((value) => (value ? "1" : "0")).join("");
    const [scores, best] = [model.get("scores")[key], model.get("scores")[all]];
    board.getContext("2d").putImageData(frames[key], 0, 0);
    switches.forEach((label, number) => { label.control.checked = on()[number]; });
    const lost = classes.map((name, i) => [best.each[i] - scores.each[i], name]).filter(([, name], i) => best.each[classes.indexOf(name)] !== null)
      .sort((a, b) => b[0] - a[0])[0];
    const off = on().map((value, i) => (value ? 0 : i + 1)).filter(Boolean);
    words.textContent = `${off.length ? `Without skip ${off.join(", ")}` : "With all skips"}: mean IoU ${short(scores.mean)}` +
      (off.length ? `, with all of them ${short(best.mean)}. ` + (lost[0] > 0 ? `${lost[1]} loses most, ${short(lost[0])}.` : "No class loses.") : ".");
    bars.replaceChildren(...classes.flatMap((name, i) => best.each[i] === null ? [] : [element("tr", {},
      element("th", { scope: "row" }, name),
      element("td", {}, element("span", { style: `width: ${Math.round(100 * scores.each[i])}px; background: ${COLOURS[i % COLOURS.length]}` }),
        element("i", { style: `left: ${Math.round(100 * best.each[i])}px` })),
      element("td", {}, short(scores.each[i])))]));
  }

  return follow(model, ["switches"], draw);
}
