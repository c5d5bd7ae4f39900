/* What is told of a result: the file, metrics, tables and histograms; and the folder. */
import { bytes, el, get, make, post, seconds, segments } from "./talk.js";

const fixed = (value, digits) => value.toFixed(digits).replace("-", "−");
export function makePanels({ metrics, order }) {
  const cells = {};
  el("metrics").replaceChildren(...order.flatMap((name) => {
    const told = metrics[name];
    cells[name] = make("dd", { class: "wait" }, "–");
    return [make("dt", {}, told.label, told.lower ? make("small", {}, "  lower is better") : null), cells[name]];
  }));
  let component = 0, last = null;
  const facts = (rows) => el("facts").replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  function closed() { // no file, or that of other settings
    el("download").removeAttribute("href");
    el("download").setAttribute("aria-disabled", "true");
  }
  function file(result, picture) {
    const exact = result?.exact, link = el("download");
    el("nbytes").classList.toggle("stale", !exact);
    el("facts").classList.toggle("stale", !exact);
    if (exact) { link.href = `api/results/${result.id}/file`; link.setAttribute("download", ""); link.removeAttribute("aria-disabled"); } else closed();
    el("notes").hidden = !result?.notes.length;
    el("notes").textContent = (result?.notes ?? []).join("; ");
    if (!result) { el("nbytes").textContent = "–"; el("share").textContent = ""; facts(["bits per pixel", "against raw pixels", "encoded in", "decoded in"].map((name) => [name, "–"])); return; }
    if (!exact) { el("share").textContent = el("nbytes").textContent === "–" ? "being made" : "of the last file"; return; }
    el("nbytes").textContent = bytes(result.nbytes);
    el("share").textContent = `${fixed((100 * result.nbytes) / picture.nbytes, 1)} % of the opened file`;
    const raw = picture.width * picture.height * (picture.grey ? 1 : 3), rows = [["bits per pixel", fixed(result.bpp, 3)], ["against raw pixels", `1 : ${fixed(raw / result.nbytes, 1)}`],
      ["encoded in", seconds(result.encode_seconds)], ["decoded in", seconds(result.decode_seconds)], ...(result.target ? Object.entries(result.used) : []).map(([name, value]) => [name.replaceAll("_", " "), value])];
    facts(rows);
  }
  function numbers(result) {
    const told = result?.exact ? result : null, next = told?.left[0];
    for (const name of order) {
      const cell = cells[name], value = told?.metrics[name];
      const known = told && name in told.metrics, why = told?.failed[name];
      const state = known ? "" : name === next || told?.busy === name ? "now" : "wait";
      const words = known ? (value === null ? "∞" : fixed(value, metrics[name].unit === "dB" || Math.abs(value) >= 10 ? 2 : 4) + (metrics[name].unit === "dB" ? " dB" : "")) : why ? "none" : state === "now" ? "computing" : "–";
      if (cell.textContent !== words) cell.textContent = words;
      cell.className = state;
      cell.title = why ?? "";
    }
    const [, , width, height] = told?.measured ?? [];
    const part = told?.measured && (width !== told.rect[2] || height !== told.rect[3]);
    el("part").textContent = part ? `PSNR of the whole picture; all else of the ${width}×${height} in its middle` : "\u00a0";
  }
  const shade = (share, tone) => `rgba(var(${tone}), ${share.toFixed(3)})`;
  function grid(rows, caption, share, words) {
    const cell = (value) => { const td = make("td", {}, words(value)); td.style.background = shade(share(value), "--tone"); return td; };
    return make("table", { class: "grid8" }, make("caption", {}, caption), make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))));
  }
  function histogram(one, levels) {
    const W = 330, H = 120, base = 100, wide = W / one.ac.length, most = Math.log10(1 + Math.max(...one.ac));
    const bars = one.ac.map((count, i) => { const high = (Math.log10(1 + count) / (most || 1)) * (base - 8); return make("rect", { x: (i * wide + 0.5).toFixed(2), y: (base - high).toFixed(2), width: (wide - 1).toFixed(2), height: high.toFixed(2), class: i === levels ? "zero" : null }, make("title", {}, `${i - levels}: ${count.toLocaleString("en")}`)); });
    const ticks = [-levels, -levels / 2, 0, levels / 2, levels].map((v) => make("text", { x: ((v + levels + 0.5) * wide).toFixed(1), y: base + 14, "text-anchor": v === -levels ? "start" : v === levels ? "end" : "middle" }, `${v === -levels ? "≤ " : v === levels ? "≥ " : ""}${String(v).replace("-", "−")}`));
    return make("svg", { viewBox: `0 0 ${W} ${H}`, class: "bars", role: "img", "aria-label": `Histogram of ${one.name}'s AC levels, counts by their logarithm` }, ...bars, make("line", { x1: 0, x2: W, y1: base, y2: base }), ...ticks);
  }
  function inside(result) {
    const told = result?.exact ? result.inside : null;
    if (!told) { if (!result || result.exact) el("inside").classList.add("stale"); return; }
    if (last === `${result.id} ${component}`) return;
    last = `${result.id} ${component}`;
    el("inside").classList.remove("stale");
    el("inside").classList.toggle("none", Boolean(told.why));
    if (told.why) { el("component").replaceChildren(); el("inside").replaceChildren(make("p", { class: "note" }, told.why)); return; }
    component = Math.min(component, told.components.length - 1);
    segments(el("component"), told.components.map((one, i) => [i, one.name]), component, (i) => { component = +i; inside(result); });
    const one = told.components[component], most = Math.log(Math.max(...one.table.flat()) + 1);
    el("inside").replaceChildren(
      grid(one.table, `Quantiser steps · ${told.process}, sampling ${told.sampling}`, (v) => (0.6 * Math.log(v)) / most, String),
      make("h3", {}, `AC levels of ${one.name}: ${fixed(100 * one.zeros, 1)} % are zero; counts by their logarithm`), histogram(one, told.levels),
      grid(one.nonzero, "Blocks with such a coefficient, percent", (v) => 0.75 * Math.sqrt(v), (v) => (v >= 0.0995 ? String(Math.round(100 * v)) : v ? (100 * v).toFixed(1) : "0")));
  }
  return {
    show(result, picture) { file(result, picture); numbers(result); inside(result); },
    waiting() { closed(); el("nbytes").classList.add("stale"); el("facts").classList.add("stale"); for (const name of order) cells[name].className = "wait"; },
  };
}

/* The folder's pictures by their numbers, and all of them encoded. */
export function makeFolder(folder, { open, asked, failed }) {
  if (!folder) return { mark() {} };
  el("folder").hidden = false;
  el("folder-name").textContent = `${folder.name}, ${folder.files.length} picture${folder.files.length === 1 ? "" : "s"}${folder.more ? `, ${folder.more} more are not listed` : ""}`;
  const rows = folder.files.map((file, i) => {
    const link = make("span", {}), small = make("small", {}, bytes(file.nbytes));
    const image = make("img", { src: `api/folder/${i}/thumbnail`, loading: "lazy", alt: "", onerror: () => image.removeAttribute("src") });
    const button = make("button", { type: "button", title: file.name, onclick: () => open(i) }, file.name, small);
    return { node: make("li", {}, image, button, link), button, small, link };
  });
  el("files").replaceChildren(...rows.map((row) => row.node));
  let seen = 0, running = false;
  async function poll() {
    const told = await get(`api/batch?since=${seen}`);
    for (const one of told.rows) {
      const row = rows[one.index];
      row.small.textContent = one.error ? one.error : `${bytes(one.before)} → ${bytes(one.nbytes)}, ${one.bpp.toFixed(3)} bpp${one.notes?.length ? `; ${one.notes.join("; ")}` : ""}`;
      row.small.title = one.error ?? "";
      row.link.replaceChildren(...(one.file ? [make("a", { href: `api/batch/${one.index}/file`, download: "", "aria-label": `Download ${one.file}` }, "↓ file")] : []));
    }
    seen = told.done;
    el("progress").value = told.total ? told.done / told.total : 0;
    running = told.state === "running";
    el("batch-note").textContent = running ? `${told.done} of ${told.total}` : `${told.state}: ${told.done} of ${told.total} pictures, ${bytes(told.nbytes)}`;
    el("batch").textContent = running ? "Stop" : "Encode all";
    el("zip").hidden = running || !told.nbytes;
    el("zip").href = "api/batch/zip";
    if (running) setTimeout(() => poll().catch(failed), 300);
  }
  el("batch").onclick = async () => {
    try {
      if (running) { await post("api/batch/stop"); return; }
      for (const row of rows) row.link.replaceChildren();
      seen = 0;
      await post("api/batch", asked());
      await poll();
    } catch (error) { failed(error); }
  };
  el("batch").textContent = "Encode all";
  el("batch-note").textContent = "with the codec and settings above";
  el("batch").disabled = !folder.files.length;
  return { mark(index) { rows.forEach((row, i) => row.button.setAttribute("aria-current", i === index)); } };
}
