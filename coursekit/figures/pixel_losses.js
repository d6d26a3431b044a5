// The losses of the lecture for one object and its background, with their gradients, fast enough to follow a pointer.
// Conventions and names are those of coursekit.losses for two classes; a browser test holds them against torch.

// Squared distance of every pixel to the nearest one where `mask` is true, exact (Felzenszwalb & Huttenlocher, 2012).
function squaredDistance(mask, width, height) {
  const far = 1e12, longest = Math.max(width, height);
  const field = new Float64Array(width * height), heights = new Float64Array(longest);
  const parabola = new Int32Array(longest), from = new Float64Array(longest);
  for (let at = 0; at < field.length; at++) field[at] = mask[at] ? 0 : far;
  const along = (start, step, count) => {
    for (let q = 0; q < count; q++) heights[q] = field[start + q * step];
    let last = 0;
    parabola[0] = 0;
    from[0] = -Infinity;
    for (let q = 1; q < count; q++) {
      let crossing;
      for (;;) {
        const v = parabola[last];
        crossing = (heights[q] + q * q - heights[v] - v * v) / (2 * (q - v));
        if (crossing > from[last]) break;
        last--;
      }
      parabola[++last] = q;
      from[last] = crossing;
    }
    for (let q = 0, k = 0; q < count; q++) {
      while (k < last && from[k + 1] < q) k++;
      field[start + q * step] = (q - parabola[k]) ** 2 + heights[parabola[k]];
    }
  };
  for (let x = 0; x < width; x++) along(x, width, height);
  for (let y = 0; y < height; y++) along(y * width, 1, width);
  return field;
}

// Outside the distance to the object, inside −(distance to the background − 1); 0 where there is no boundary.
function signedDistance(mask, width, height) {
  const object = mask.some(Boolean), background = !mask.every(Boolean);
  if (!object || !background) return new Float64Array(mask.length);
  const toObject = squaredDistance(mask, width, height);
  const toBackground = squaredDistance(mask.map((inside) => !inside), width, height);
  return toObject.map((d, i) => (mask[i] ? 1 - Math.sqrt(toBackground[i]) : Math.sqrt(d)));
}

// Squared distance to the nearest pixel on the other side of the boundary; 0 where there is none.
function squaredReach(mask, width, height) {
  const object = mask.some(Boolean), background = !mask.every(Boolean);
  if (!object || !background) return new Float64Array(mask.length);
  const toObject = squaredDistance(mask, width, height);
  const toBackground = squaredDistance(mask.map((inside) => !inside), width, height);
  return toObject.map((d, i) => (mask[i] ? toBackground[i] : d));
}

// Each takes what `scene` prepares and gives the loss and its derivative with respect to each pixel's probability.
const PIXEL_LOSSES = {
  "cross-entropy": ({ p, g, n }) => ({
    value: sum(p, (v, i) => -Math.log(g[i] ? v : 1 - v)) / n,
    slope: p.map((v, i) => (g[i] ? -1 / v : 1 / (1 - v)) / n),
  }),
  "focal, γ = 2": ({ p, g, n }) => ({
    value: sum(p, (v, i) => { const t = g[i] ? v : 1 - v; return -((1 - t) ** 2) * Math.log(t); }) / n,
    slope: p.map((v, i) => {
      const t = g[i] ? v : 1 - v;
      return ((g[i] ? 1 : -1) * (2 * (1 - t) * Math.log(t) - (1 - t) ** 2 / t)) / n;
    }),
  }),
  "top-k, 10 %": ({ p, g, n }) => {
    const count = Math.max(1, Math.round(0.1 * n));
    const hardest = ranking(p.map((v, i) => Math.abs(v - g[i]))).slice(0, count);
    const slope = new Float64Array(n);
    for (const i of hardest) slope[i] = (g[i] ? -1 / p[i] : 1 / (1 - p[i])) / count;
    return { value: hardest.reduce((total, i) => total - Math.log(g[i] ? p[i] : 1 - p[i]), 0) / count, slope };
  },
  "Dice": ({ p, g, n }) => { // the lecture's: squares below, both classes pooled
    const agree = sum(p, (v, i) => (g[i] ? v : 1 - v));
    const below = n + sum(p, (v) => v * v + (1 - v) * (1 - v));
    return {
      value: 1 - (2 * agree) / below,
      slope: p.map((v, i) => (-2 * (g[i] ? 1 : -1)) / below + (2 * agree * (4 * v - 2)) / below ** 2),
    };
  },
  "IoU": ({ p, g, n }) => {
    const agree = sum(p, (v, i) => (g[i] ? v : 1 - v)), union = 2 * n - agree;
    return { value: 1 - agree / union, slope: p.map((v, i) => ((g[i] ? -1 : 1) * 2 * n) / union ** 2) };
  },
  "Tversky 0.3, 0.7": (s) => byClass(s, ({ p, g, overlap, predicted, actual }) => {
    const below = 0.3 * predicted + 0.7 * actual; // tp + 0.3 fp + 0.7 fn, as 0.3 + 0.7 = 1
    return { value: 1 - overlap / below, slope: p.map((_, i) => (overlap * 0.3) / below ** 2 - g[i] / below) };
  }),
  "generalised Dice": ({ p, g, n }) => {
    const size = sum(g), weights = [n - size, size].map((pixels) => (pixels ? 1 / pixels ** 2 : 0));
    const hit = sum(p, (v, i) => (g[i] ? weights[1] * v : weights[0] * (1 - v)));
    const below = sum(p, (v, i) => weights[1] * (v + g[i]) + weights[0] * (2 - v - g[i]));
    const change = weights[1] - weights[0];
    return {
      value: 1 - (2 * hit) / below,
      slope: p.map((_, i) => (-2 * (g[i] ? weights[1] : -weights[0])) / below + (2 * hit * change) / below ** 2),
    };
  },
  "Lovász": (s) => byClass(s, ({ p, g, actual }) => {
    const slope = new Float64Array(p.length);
    let found = 0, value = 0;
    ranking(p.map((v, i) => Math.abs(g[i] - v))).forEach((i, rank) => {
      const left = actual - found - g[i], union = left + rank + 1;
      const growth = g[i] ? 1 / union : left / union / Math.max(union - 1, 1);
      found += g[i];
      value += growth * Math.abs(g[i] - p[i]);
      slope[i] = g[i] ? -growth : growth;
    });
    return { value, slope };
  }),
  "boundary": ({ p, g, n, width, height }) => {
    const mask = Array.from(g, Boolean);
    const object = signedDistance(mask, width, height), rest = signedDistance(mask.map((v) => !v), width, height);
    return {
      value: sum(p, (v, i) => object[i] * v + rest[i] * (1 - v)) / (2 * n),
      slope: p.map((_, i) => (object[i] - rest[i]) / (2 * n)),
    };
  },
  "Hausdorff": ({ p, g, n, width, height }) => {
    const reach = squaredReach(Array.from(p, (v) => v > 0.5), width, height);
    squaredReach(Array.from(g, Boolean), width, height).forEach((d, i) => { reach[i] += d; });
    return {
      value: sum(p, (v, i) => (v - g[i]) ** 2 * reach[i]) / n,
      slope: p.map((v, i) => (2 * (v - g[i]) * reach[i]) / n),
    };
  },
};

// { name: { value, gradient } } for foreground probabilities `p` and truth `g` (0 or 1), both row by row. The gradient
// is with respect to the logit of the foreground: below 0 the pixel is pulled up, above 0 pushed down.
function pixelLosses(p, g, width, height, names = Object.keys(PIXEL_LOSSES)) {
  const scene = { p: Float64Array.from(p), g: Float64Array.from(g), n: p.length, width, height };
  return Object.fromEntries(names.map((name) => {
    const { value, slope } = PIXEL_LOSSES[name](scene);
    return [name, { value, gradient: Float64Array.from(slope, (s, i) => s * scene.p[i] * (1 - scene.p[i])) }];
  }));
}

function sum(values, of = (value) => value) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += of(values[i], i);
  return total;
}

// Indices from the greatest value down; of equal ones the first comes first.
const ranking = (values) => Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);

// The mean of a class's loss over the object and the background, of those that there are.
function byClass({ p, g }, loss) {
  const of = (s, own) => loss({ p: s, g: own, overlap: sum(s, (v, i) => v * own[i]), predicted: sum(s), actual: sum(own) });
  const parts = [];
  if (sum(g)) parts.push(of(p, g));
  if (sum(g) < g.length) {
    const { value, slope } = of(p.map((v) => 1 - v), g.map((v) => 1 - v));
    parts.push({ value, slope: slope.map((v) => -v) });
  }
  return {
    value: sum(parts.map((part) => part.value)) / parts.length,
    slope: p.map((_, i) => sum(parts.map((part) => part.slope[i])) / parts.length),
  };
}
