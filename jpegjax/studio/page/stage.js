/* The picture before and after under the slider: the whole of it at the screen's size, and over that what is seen, pixel for pixel. */
import { Dropped, bytes, el, segments, view } from "./talk.js";

const MOST = 32;
export function makeStage({ failed, moved, most }) {
  const box = el("stage"), state = { x: 0.5, pan: [0.5, 0.5] };
  const canvases = { before: [...el("clip").querySelectorAll("canvas")], after: [...el("after").querySelectorAll("canvas")] };
  const drawn = { before: [null, null], after: [null, null] }; // { key, rect } of what each canvas shows
  const asked = { before: [null, null], after: [null, null] };
  let picture = null, result = null, zoom = "fit", kind = "after", timer = 0;

  const fit = () => (picture ? Math.min(1, box.clientWidth / picture.width, box.clientHeight / picture.height) : 1);
  const scale = () => (zoom === "fit" ? fit() : zoom);
  const dense = () => Math.min(1, scale() * devicePixelRatio);
  function setZoom(value) {
    zoom = value === "fit" || value <= fit() * 1.02 ? "fit" : Math.min(MOST, value);
    if (zoom !== "fit" && Math.abs(zoom / Math.round(zoom) - 1) < 0.03) zoom = Math.max(1, Math.round(zoom)); // whole pixels where near
    mark(zoom);
    el("zoomed").textContent = `${Math.round(scale() * 100)} %`;
    box.classList.toggle("pixels", scale() >= 1);
  }
  const slider = compareSlider({ box, clip: el("clip"), bar: el("bar"), divider: el("divider") }, {
    state, zoom: scale, setZoom,
    size: () => (picture ? [picture.width, picture.height] : [1, 1]),
    frame: () => { box.style.width = box.style.height = ""; return [box.clientWidth, box.clientHeight]; },
    layers: () => ["before", "after"].flatMap((side) => canvases[side].map((node, k) => ({ node, rect: drawn[side][k]?.rect ?? [0, 0, 0, 0] }))),
    changed: () => { later(); },
  });
  const mark = segments(el("zoom"), [["fit", "Fit"], [1, "1×"], [2, "2×"], [4, "4×"], [8, "8×"]], "fit", (value) => { slider.zoomTo(value); });

  /* What is seen, and how many pixels of the screen it has: what a preview is made of. */
  function seen() {
    const rect = zoom === "fit" ? [0, 0, picture.width, picture.height] : slider.seen().map((v, k) => (k < 2 ? Math.floor(v) : Math.ceil(v)));
    return { rect, out: [rect[2], rect[3]].map((v) => Math.max(1, Math.ceil(v * dense()))) };
  }
  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => { refresh(); if (picture) moved(); }, 90);
  }
  async function load(side, k) {
    const of = side === "before" ? "before" : kind, source = side === "after" ? result : null;
    if (side === "after" && !result) return hide(side, k);
    const { rect, out } = k === 0 ? { rect: [0, 0, picture.width, picture.height], out: wholeOut() } : seen();
    const gain = el("gain").value, key = [picture.id, of, source?.id, of === "difference" ? gain : "", ...(source && !source.exact ? [] : [...rect, ...out])].join(" ");
    if (drawn[side][k]?.key === key || asked[side][k]?.key === key) return;
    asked[side][k]?.stop.abort();
    const stop = new AbortController(), mine = picture;
    asked[side][k] = { key, stop };
    try {
      const query = { kind: of, rect: rect.join(), out: out.join(), ...(source ? { result: source.id } : {}), ...(of === "difference" ? { gain } : {}) };
      const found = await view(picture.id, query, stop.signal);
      if (asked[side][k]?.key !== key || picture !== mine) return;
      const canvas = canvases[side][k];
      Object.assign(canvas, { width: found.pixels.width, height: found.pixels.height });
      canvas.getContext("2d").putImageData(found.pixels, 0, 0);
      drawn[side][k] = { key, rect: found.rect };
      slider.draw();
    } catch (error) {
      if (!(error instanceof Dropped)) failed(error);
    } finally {
      if (asked[side][k]?.key === key) asked[side][k] = null;
    }
  }
  function wholeOut() {
    const share = Math.min(1, fit() * devicePixelRatio, Math.sqrt((4 * most()) / (picture.width * picture.height)));
    return [picture.width, picture.height].map((v) => Math.max(1, Math.round(v * share)));
  }
  function hide(side, k) {
    asked[side][k]?.stop.abort();
    asked[side][k] = null;
    drawn[side][k] = null;
    slider.draw();
  }
  async function refresh() {
    if (!picture) return;
    const zoomed = zoom !== "fit", preview = result && !result.exact;
    const order = zoomed ? [1, 0] : [0];
    if (!zoomed) { hide("before", 1); if (!preview || drawn.after[0]) hide("after", 1); }
    if (preview && zoomed) hide("after", 0); // it would be another file's
    await Promise.all(["after", "before"].map(async (side) => {
      for (const k of order) if (!(side === "after" && preview && zoomed && k === 0)) await load(side, k);
    }));
  }
  new ResizeObserver(() => { if (picture) { setZoom(zoom); slider.draw(); later(); } }).observe(box);
  box.addEventListener("dblclick", (event) => picture && slider.zoomTo(zoom === "fit" ? (fit() < 1 ? 1 : 4) : "fit", event.clientX, event.clientY));
  box.addEventListener("keydown", (event) => { if (event.key === "0" && picture) slider.zoomTo("fit"); });
  box.addEventListener("pointerdown", () => box.classList.add("dragging"));
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => box.classList.remove("dragging"));
  const kinds = segments(el("kind"), [["after", "After"], ["difference", "Difference"]], kind, (value) => {
    kind = value;
    el("gain-label").hidden = value !== "difference";
    label(); refresh();
  });
  el("gain").onchange = () => { label(); refresh(); };
  function label() {
    const shown = result ? `${result.codec} · ${result.exact ? bytes(result.nbytes) : "preview"}` : "after";
    el("tag-right").textContent = kind === "difference" ? `difference ×${el("gain").value}` : shown;
  }
  setZoom("fit");
  return {
    seen, refresh, kinds,
    get zoomed() { return zoom !== "fit"; },
    setPicture(next) {
      picture = next; result = null;
      for (const side of ["before", "after"]) for (const k of [0, 1]) hide(side, k);
      Object.assign(state, { x: 0.5, pan: [0.5, 0.5] });
      box.classList.toggle("none", !picture);
      setZoom("fit"); slider.draw(); label();
      return refresh();
    },
    setResult(next) {
      result = next;
      label();
      return refresh();
    },
  };
}
