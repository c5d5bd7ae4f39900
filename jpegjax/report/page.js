"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const el = (id) => document.getElementById(id);
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));
const metricDigits = (i) => (data.metrics[i].axis.includes("dB") || data.metrics[i].name === "ssimulacra2" ? 2 : 4);
const curveOf = Object.fromEntries(data.curves.map((curve) => [curve.label, curve]));
const names = Object.keys(data.images);
const MEAN = "";
const rates = [...new Set(data.slider.flatMap((one) => one.results.map((r) => r.rate)))].sort((a, b) => a - b);

// ---- state, mirrored in the address after the #
const state = {
  metric: data.metrics[0].name, picture: MEAN, scale: "log", hidden: "", theme: "",
  shown: data.slider.length ? data.slider[0].image : "", rate: String(rates[Math.min(1, rates.length - 1)] ?? ""), zoom: "2",
  left: "", right: "", x: "0.5", pan: "0.5,0.5",
};
for (const [key, value] of new URLSearchParams(location.hash.slice(1))) if (key in state) state[key] = value;
const defaults = { ...state };
let saving = 0;
function save() {
  clearTimeout(saving);
  saving = setTimeout(() => {
    const changed = Object.entries(state).filter(([key, value]) => value !== "" && (value !== defaults[key] || location.hash.includes(`${key}=`)));
    history.replaceState(null, "", `#${new URLSearchParams(changed)}`);
  }, 200);
}

function segments(id, options, key, redraw) {
  const box = el(id);
  box.innerHTML = options.map(([value, label]) => `<button type="button" data-value="${escape(value)}">${escape(label)}</button>`).join("");
  const mark = () => box.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.value === state[key]));
  box.onclick = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    state[key] = button.dataset.value;
    mark(); redraw(); save();
  };
  mark();
}
function choices(id, options, value, chosen) {
  el(id).innerHTML = options.map(([v, label]) => `<option value="${escape(v)}">${escape(label)}</option>`).join("");
  el(id).value = value;
  el(id).onchange = () => chosen(el(id).value);
}
const pictures = [[MEAN, names.length === 1 ? names[0] : `mean of ${names.length}`], ...(names.length > 1 ? names.map((n) => [n, n]) : [])];
const pointsOf = (curve, picture) => (picture === MEAN ? curve.points : data.images[picture]?.[curve.label] ?? []);

// ---- curves
function marker(kind, x, y, r, color, extra = "") {
  const shape = {
    circle: `<circle cx="${x}" cy="${y}" r="${r}"`, square: `<rect x="${x - r}" y="${y - r}" width="${2 * r}" height="${2 * r}"`,
    triangle: `<path d="M${x} ${y - 1.2 * r}L${x + 1.15 * r} ${y + 0.8 * r}H${x - 1.15 * r}Z"`,
    diamond: `<path d="M${x} ${y - 1.35 * r}L${x + 1.35 * r} ${y}L${x} ${y + 1.35 * r}L${x - 1.35 * r} ${y}Z"`,
  }[kind];
  return `${shape} fill="${color}" ${extra}/>`;
}
const hidden = () => new Set(state.hidden.split("|").filter(Boolean));
let drawn = [];
function niceTicks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const ticks = [];
  for (let t = Math.ceil(low / step) * step; t <= high + 1e-9; t += step) ticks.push(+t.toFixed(10));
  return ticks;
}
function chart() {
  const narrow = el("chart").clientWidth < 560, W = narrow ? 430 : 860, H = narrow ? 330 : 470, L = 58, R = 14, T = 12, B = 48, off = hidden();
  const m = data.metrics.findIndex((one) => one.name === state.metric), column = 2 + m;
  const log = state.scale === "log";
  const series = data.curves.map((curve) => ({
    curve, points: pointsOf(curve, state.picture).filter((p) => p[column] !== null && p[column] !== undefined),
  }));
  const visible = series.filter((s) => !off.has(s.curve.label)).flatMap((s) => s.points);
  drawn = [];
  if (!visible.length) {
    el("chart").innerHTML = `<p class="note">No curve to show.</p>`;
    return;
  }
  let [x0, x1] = [Math.min(...visible.map((p) => p[1])), Math.max(...visible.map((p) => p[1]))];
  [x0, x1] = log ? [x0 * 0.88, x1 * 1.12] : [0, x1 * 1.03];
  let [y0, y1] = [Math.min(...visible.map((p) => p[column])), Math.max(...visible.map((p) => p[column]))];
  const pad = (y1 - y0 || 1) * 0.04;
  [y0, y1] = [y0 - pad, y1 + pad];
  const X = (v) => L + (log ? Math.log(v / x0) / Math.log(x1 / x0) : (v - x0) / (x1 - x0)) * (W - L - R);
  const Y = (v) => H - B - ((v - y0) / (y1 - y0)) * (H - T - B);
  const xTicks = log ? [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16].filter((t) => t >= x0 && t <= x1) : niceTicks(x0, x1, 7);
  const parts = [`<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${escape(data.metrics[m].axis)} over bits per pixel">`];
  for (const t of xTicks) parts.push(`<line class="grid" x1="${X(t)}" x2="${X(t)}" y1="${T}" y2="${H - B}"/><text x="${X(t)}" y="${H - B + 19}" text-anchor="middle">${t}</text>`);
  for (const t of niceTicks(y0, y1, 7)) parts.push(`<line class="grid" x1="${L}" x2="${W - R}" y1="${Y(t)}" y2="${Y(t)}"/><text x="${L - 9}" y="${Y(t) + 4}" text-anchor="end">${String(t).replace("-", "−")}</text>`);
  parts.push(`<line class="frame" x1="${L}" x2="${W - R}" y1="${H - B}" y2="${H - B}"/>`);
  parts.push(`<text class="axis" x="${(L + W - R) / 2}" y="${H - 8}" text-anchor="middle">bits per pixel</text>`);
  parts.push(`<text class="axis" transform="translate(15 ${(T + H - B) / 2}) rotate(-90)" text-anchor="middle">${escape(data.metrics[m].axis)}</text>`);
  [...series.entries()].reverse().forEach(([i, { curve, points }]) => { // the first curve on top
    if (off.has(curve.label) || !points.length) return;
    const at = points.map((p) => [X(p[1]), Y(p[column])]);
    const line = at.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    parts.push(`<path class="curve" data-i="${i}" d="${line}" stroke="${curve.color}"${i ? "" : ' style="stroke-width:3"'}${curve.dashed ? ' stroke-dasharray="6 4"' : ""}/>`);
    at.forEach(([x, y], k) => {
      parts.push(marker(curve.marker, +x.toFixed(1), +y.toFixed(1), 3.6, curve.color, `class="dot" data-i="${i}"`));
      drawn.push({ x, y, i, curve, point: points[k] });
    });
  });
  parts.push(`<g id="focus"></g></svg>`);
  el("chart").innerHTML = parts.join("");
  const svg = el("chart").firstChild;
  svg.onpointermove = (event) => {
    const box = svg.getBoundingClientRect(), s = W / box.width;
    const x = (event.clientX - box.left) * s, y = (event.clientY - box.top) * s;
    const near = drawn.reduce((best, d) => ((d.x - x) ** 2 + (d.y - y) ** 2 < (best.x - x) ** 2 + (best.y - y) ** 2 ? d : best));
    if ((near.x - x) ** 2 + (near.y - y) ** 2 > 3600) return leave();
    focus(near.i);
    el("focus").innerHTML = `<circle cx="${near.x}" cy="${near.y}" r="8" fill="none" stroke="${near.curve.color}" stroke-width="2"/>`;
    tip(near, event);
  };
  svg.onpointerleave = leave;
}
function focus(index) {
  document.querySelectorAll("#chart [data-i]").forEach((node) => node.classList.toggle("dim", index !== null && +node.dataset.i !== index));
}
function leave() {
  focus(null);
  el("tip").hidden = true;
  if (el("focus")) el("focus").innerHTML = "";
}
const setting = (curve, value) => (value === null ? "" : `${curve.sweep} ${value}`);
function tip({ curve, point }, event) {
  const box = el("tip");
  const rows = data.metrics.map((m, k) => `<dt>${escape(m.label)}</dt><dd>${fixed(point[2 + k], metricDigits(k))}</dd>`).join("");
  box.innerHTML = `<b><i class="swatch" style="background:${curve.color};margin:0"></i>${escape(curve.label)}</b><dl><dt>setting</dt><dd>${escape(setting(curve, point[0]))}</dd><dt>bpp</dt><dd>${fixed(point[1], 3)}</dd>${rows}<dt>dec. s/MP</dt><dd>${fixed(1 / point[point.length - 1], 3)}</dd></dl>`;
  box.hidden = false;
  const { offsetWidth: w, offsetHeight: h } = box;
  box.style.left = `${event.clientX + 18 + w > innerWidth ? event.clientX - w - 14 : event.clientX + 18}px`;
  box.style.top = `${Math.max(8, Math.min(event.clientY - 20, innerHeight - h - 8))}px`;
}
function legend() {
  const off = hidden();
  el("legend").innerHTML = data.curves.map((curve, i) => {
    const icon = `<svg width="26" height="14"><line x1="1" x2="25" y1="7" y2="7" stroke="${curve.color}" stroke-width="2"${curve.dashed ? ' stroke-dasharray="5 3"' : ""}/>${marker(curve.marker, 13, 7, 3.8, curve.color)}</svg>`;
    return `<li><button type="button" data-i="${i}" aria-pressed="${!off.has(curve.label)}" title="${escape(`${curve.about}; ${curve.version}`)}">${icon}<span>${escape(curve.label)}</span></button></li>`;
  }).join("");
}
el("legend").onclick = (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const off = hidden(), label = data.curves[+button.dataset.i].label;
  if (!off.delete(label)) off.add(label);
  state.hidden = [...off].join("|");
  legend(); chart(); save();
};
el("legend").onpointerover = (event) => focus(event.target.closest("button") ? +event.target.closest("button").dataset.i : null);
el("legend").onpointerleave = leave;

// ---- slider
const ORIGINAL = "original";
function side(which) {
  const picture = data.slider.find((one) => one.image === state.shown);
  const result = picture.results.find((r) => r.curve === state[which] && String(r.rate) === state.rate);
  return result ? { label: result.curve, ...result } : { label: ORIGINAL, uri: picture.uri };
}
function eye() {
  const picture = data.slider.find((one) => one.image === state.shown);
  const here = picture.results.filter((r) => String(r.rate) === state.rate).map((r) => r.curve);
  for (const [which, fallback] of [["left", 0], ["right", here.length - 1]])
    if (state[which] !== ORIGINAL && !curveOf[state[which]]) state[which] = here[fallback] ?? ORIGINAL;
  for (const which of ["left", "right"]) {
    // who was chosen stays chosen, also where this rate has no result of it: then the original is shown, and it is said
    const absent = state[which] !== ORIGINAL && !here.includes(state[which]), none = `none near ${state.rate} bpp`;
    const options = [[ORIGINAL, "original"], ...here.map((label) => [label, label]), ...(absent ? [[state[which], `${state[which]}: ${none}`]] : [])];
    choices(which, options, state[which], (value) => { state[which] = value; eye(); save(); });
    const one = side(which), facts = absent ? [`<b>${escape(state[which])}</b> <em>has ${none} here; this is the original</em>`] : [];
    if (one.bpp) {
      facts.push(`<b>${fixed(one.bpp, 3)}</b> <em>bpp</em>`);
      data.metrics.forEach((m, k) => facts.push(`<em>${escape(m.label)}</em> <b>${fixed(one.metrics[k], metricDigits(k))}</b>`));
      facts.push(`<em>${escape(setting(curveOf[one.curve], typeof one.value === "number" ? +one.value.toPrecision(4) : one.value))}</em>`);
    }
    el(`${which}-facts`).innerHTML = facts.join(" · ");
    el(`tag-${which}`).textContent = one.bpp ? `${one.label} · ${fixed(one.bpp, 2)} bpp` : one.label;
    el(`img-${which}`).src = one.uri;
    el(`img-${which}`).alt = `${state.shown}, ${one.label}`;
  }
  const missing = data.curves.map((c) => c.label).filter((label) => !here.includes(label));
  el("eye-note").textContent = `${picture.width}×${picture.height} pixels from the middle of ${state.shown}, exact as decoded; the figures are of the whole picture. Drag the divider; drag the picture where it is larger than its frame.`
    + (missing.length ? ` Without a result near ${state.rate} bpp: ${missing.join(", ")}.` : "");
  stage();
}
const shownSize = () => {
  const { width, height } = data.slider.find((one) => one.image === state.shown);
  return [width, height];
};
const sliding = { x: +state.x, pan: state.pan.split(",").map(Number) };
const slider = compareSlider({ box: el("stage"), clip: el("clip"), bar: el("bar"), divider: el("divider") }, {
  state: sliding, zoom: () => +state.zoom,
  size: shownSize,
  frame: ([w, h]) => [Math.min(w, el("stage").parentElement.clientWidth - 44), Math.min(h, 720)],
  layers: () => ["left", "right"].map((which) => ({ node: el(`img-${which}`), rect: [0, 0, ...shownSize()] })),
  changed: () => { Object.assign(state, { x: sliding.x.toFixed(3), pan: sliding.pan.map((v) => v.toFixed(3)).join(",") }); save(); },
});
const stage = slider.draw;

// ---- BD-rate
function bd() {
  const { anchor, rows } = data.bd;
  el("bd-note").textContent = `Rate at equal quality against ${anchor}, in percent, of the mean curves over the range that both share; negative is better. Small: that range, and Ø, the mean of the single pictures' BD-rates. Seconds a million pixels, without compilation.`;
  const head = `<thead><tr><th>curve</th>${data.metrics.map((m) => `<th>${escape(m.axis)}</th>`).join("")}<th>enc. s/MP</th><th>dec. s/MP</th></tr></thead>`;
  const gaps = [];
  const body = data.curves.map((curve) => {
    const cells = data.metrics.map((m) => {
      const one = rows[curve.label][m.name];
      if (one.percent === null) {
        const overlap = /in common|not covered/.test(one.why);
        gaps.push(`${curve.label}, ${m.label}: ${one.why}`);
        return `<td title="${escape(one.why)}">${overlap ? "curves do not overlap" : "undefined"}</td>`;
      }
      const strength = Math.min(0.5, Math.abs(one.percent) / 90), tone = one.percent < 0 ? "--good" : "--bad";
      const value = curve.label === anchor ? "0" : `${one.percent > 0 ? "+" : ""}${fixed(one.percent, 1)}`;
      const each = one.images_mean === null || one.images < 2 ? "" : ` · Ø ${one.images_mean > 0 ? "+" : ""}${fixed(one.images_mean, 1)}`;
      return `<td class="val" style="background:rgba(var(${tone}),${strength.toFixed(3)})"><b>${value}</b><small>${fixed(one.low, 1)}…${fixed(one.high, 1)}${curve.label === anchor ? "" : each}</small></td>`;
    });
    const seconds = [0, 1].map((way) => curve.points.reduce((sum, p) => sum + 1 / p[2 + data.metrics.length + way], 0) / curve.points.length);
    const times = curve.points.length ? seconds.map((one) => `<td>${fixed(one, 3)}</td>`).join("") : "<td></td><td></td>";
    return `<tr><td><i class="swatch" style="background:${curve.color}"></i>${escape(curve.label)}${curve.label === anchor ? " <small>anchor</small>" : ""}</td>${cells.join("")}${times}</tr>`;
  });
  el("bd").innerHTML = `${head}<tbody>${body.join("")}</tbody>`;
  el("gaps").innerHTML = gaps.map((gap) => `<li>${escape(gap)}</li>`).join("");
}

// ---- all results
const order = { column: 0, up: true };
let tablePicture = MEAN, tableCodec = "";
function all() {
  const heads = ["codec", "setting", "bpp", ...data.metrics.map((m) => m.axis), "enc. MP/s", "dec. MP/s"];
  const rows = data.curves.filter((c) => !tableCodec || c.label === tableCodec)
    .flatMap((curve) => pointsOf(curve, tablePicture).map((point) => ({ curve, cells: [curve.label, point[0], ...point.slice(1)] })));
  const sign = order.up ? 1 : -1;
  rows.sort((a, b) => {
    const [p, q] = [a.cells[order.column], b.cells[order.column]];
    if (p === q) return a.cells[2] - b.cells[2];
    if (p === null || p === undefined || q === null || q === undefined) return p === null || p === undefined ? 1 : -1;
    return sign * (typeof p === "string" ? p.localeCompare(q) : p - q);
  });
  const digits = (k) => (k === 2 ? 3 : k < 3 + data.metrics.length ? metricDigits(k - 3) : 1);
  const body = rows.map(({ curve, cells }) => `<tr>${cells.map((value, k) => {
    if (k === 0) return `<td><i class="swatch" style="background:${curve.color}"></i>${escape(value)}</td>`;
    return `<td>${k === 1 ? escape(setting(curve, value)) : fixed(value, digits(k))}</td>`;
  }).join("")}</tr>`).join("");
  el("all").innerHTML = `<thead><tr>${heads.map((h, k) => `<th tabindex="0" data-k="${k}"${k === order.column ? ` aria-sort="${order.up ? "ascending" : "descending"}"` : ""}>${escape(h)}</th>`).join("")}</tr></thead><tbody>${body}</tbody>`;
}
function sortBy(event) {
  const head = event.target.closest("th");
  if (!head || (event.key && event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  const k = +head.dataset.k;
  Object.assign(order, { column: k, up: k === order.column ? !order.up : true });
  all();
}
el("all").onclick = sortBy;
el("all").onkeydown = (event) => event.key !== "Tab" && sortBy(event);

// ---- the rest
function how() {
  const runs = data.runs.map((run) => {
    const { codecs = [], ...versions } = run.versions, m = run.machine;
    return `<p>${escape(run.started)} on ${escape(m.cpu)}, ${escape(m.cores)} cores, ${escape(m.system)}; seconds are ${escape(run.seconds)}.</p><code>${escape(run.command)}</code><p>${escape([...Object.entries(versions).map(([n, v]) => `${n} ${v}`), ...codecs].join(" · "))}</p>`;
  });
  const failed = data.failed.map(([name, why]) => `<li>${escape(name)}: ${escape(why)}</li>`).join("");
  el("how").innerHTML = runs.join("") + (failed ? `<p>Not compared:</p><ul>${failed}</ul>` : "");
  const last = data.runs[data.runs.length - 1];
  const results = Object.values(data.images).reduce((n, one) => n + Object.values(one).reduce((k, points) => k + points.length, 0), 0);
  el("sub").textContent = [`${results.toLocaleString("en")} results`, data.metrics.map((m) => m.label).join(", "), last?.machine.cpu, last?.started.slice(0, 10)].filter(Boolean).join(" · ");
}
function theme() {
  if (state.theme) document.documentElement.dataset.theme = state.theme;
}
el("theme").onclick = () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  state.theme = dark ? "light" : "dark";
  theme(); save();
};

theme();
segments("metric", data.metrics.map((m) => [m.name, m.label]), "metric", chart);
segments("scale", [["log", "log"], ["linear", "linear"]], "scale", chart);
choices("picture", pictures, state.picture, (value) => { state.picture = value; chart(); save(); });
choices("table-picture", pictures, MEAN, (value) => { tablePicture = value; all(); });
choices("table-codec", [["", "all"], ...data.curves.map((c) => [c.label, c.label])], "", (value) => { tableCodec = value; all(); });
legend(); chart(); bd(); all(); how();
addEventListener("resize", chart);
if (data.slider.length) {
  choices("shown", data.slider.map((one) => [one.image, one.image]), state.shown, (value) => { state.shown = value; eye(); save(); });
  segments("rate", rates.map((r) => [String(r), `${r} bpp`]), "rate", eye);
  segments("zoom", [["1", "1×"], ["2", "2×"], ["4", "4×"]], "zoom", eye);
  eye();
  addEventListener("resize", stage);
} else el("eye").hidden = true;
