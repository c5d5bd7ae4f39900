/* A codec's settings as controls, made from what the codec itself says of them. */
import { el, make, segments } from "./talk.js";

const FIRST = new Set(["tune", "subsampling", "model", "method", "effort", "speed", "progressive"]);
const STEPS = 200;
export function makeControls(codecs, changed) {
  const of = Object.fromEntries(codecs.map((codec) => [codec.name, codec]));
  const words = {}, aims = {}; // per codec: { setting: text }; { on, kb }
  let chosen = codecs.find((codec) => !codec.missing)?.name;

  const gone = codecs.filter((codec) => codec.missing);
  el("codec").replaceChildren(...codecs.map((codec) => make("option", { value: codec.name, disabled: Boolean(codec.missing) }, codec.missing ? `${codec.name}: not installed` : codec.name)));
  el("missing").hidden = !gone.length;
  el("missing").querySelector("summary").textContent = `${gone.length} codec${gone.length === 1 ? " is" : "s are"} not installed`;
  el("missing").querySelector("ul").replaceChildren(...gone.map((codec) => make("li", {}, codec.missing)));

  /* A sweep on a range control: to the right are larger files. Ratios, that is spans over powers, go by their logarithm. */
  function ruler({ span: [low, high], integer }, rising) {
    if (integer && high - low <= 400) return { min: low, max: high, to: (p) => (rising ? p : low + high - p), from: (v) => (rising ? v : low + high - v), flip: !rising };
    const log = low > 0 && high / low > 50, ease = (t) => (log ? low * (high / low) ** t : low + (high - low) * t);
    const back = (v) => (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low));
    const neat = (v) => +v.toPrecision(3);
    return { min: 0, max: STEPS, to: (p) => neat(ease(rising ? p / STEPS : 1 - p / STEPS)), from: (v) => Math.round(STEPS * (rising ? back(v) : 1 - back(v))) };
  }
  const mine = () => (words[chosen] ??= {});
  const aim = () => (aims[chosen] ??= { on: false, kb: "" });
  function put(name, text) {
    const setting = of[chosen].settings.find((one) => one.name === name);
    if (text === "" || text === setting.default) delete mine()[name];
    else mine()[name] = text;
    changed();
  }
  const text = (setting) => mine()[setting.name] ?? (setting.default === "none" && !setting.choices ? "" : setting.default);
  function sweepField(codec, setting) {
    const rule = ruler(setting, codec.rising), box = make("div", { class: "sweep" });
    const now = text(setting) || String(codec.grid[codec.grid.length >> 1] ?? setting.span[0]);
    const slide = make("input", { type: "range", id: "sweep", min: rule.min, max: rule.max, step: 1, "aria-label": setting.name });
    const type = make("input", { type: "text", id: "sweep-text", inputmode: "decimal", "aria-label": `${setting.name}, ${setting.range}`, autocomplete: "off" });
    slide.value = rule.from(parseFloat(now));
    type.value = now;
    slide.oninput = () => { type.value = String(rule.to(+slide.value)); put(setting.name, type.value); };
    type.onchange = () => { if (Number.isFinite(parseFloat(type.value))) slide.value = rule.from(parseFloat(type.value)); put(setting.name, type.value.trim()); };
    const kb = make("input", { type: "number", id: "target", min: 0.1, step: "any", "aria-label": "File size in kB", placeholder: "kB" });
    kb.value = aim().kb;
    kb.oninput = () => { aim().kb = kb.value; if (+kb.value > 0) changed(); };
    const rows = { false: [make("div", { class: "wide" }, slide, type), make("div", { class: "ends" }, make("span", {}, "smaller"), make("span", {}, "better"))],
      true: [make("div", { class: "wide" }, make("span", { class: "note" }, `at most so many kB, by ${setting.name}`), kb), make("div", { class: "ends" }, "\u00a0")] };
    const pick = make("div", { class: "seg", role: "group", "aria-label": "Aim at" }), place = make("div", {});
    const show = () => place.replaceChildren(...rows[aim().on]);
    segments(pick, [[false, setting.name], [true, "size"]], aim().on, (on) => { aim().on = on; if (on && !kb.value) kb.value = aim().kb = suggested(); show(); changed(); });
    show();
    box.append(make("div", { class: "aim" }, make("span", { class: "note" }, "Aim at"), pick), place);
    return box;
  }
  let suggested = () => "";
  function field(setting, told) {
    const id = `set-${setting.name}`, label = make("label", { for: id }, setting.name.replaceAll("_", " "));
    const hint = `${setting.about}${setting.range && !setting.choices && !setting.words.length ? `: ${setting.range}` : ""}`;
    const select = (options, value, picked) => {
      const made = make("select", { id, title: hint }, ...options.map(([one, words]) => make("option", { value: one }, words)));
      made.value = value;
      made.onchange = () => picked(made.value);
      return made;
    };
    const typed = () => {
      const made = make("input", { id, type: "text", title: hint, placeholder: setting.default === "none" ? "" : setting.default, autocomplete: "off", spellcheck: "false" });
      made.value = mine()[setting.name] ?? "";
      made.onchange = () => put(setting.name, made.value.trim());
      return made;
    };
    let control;
    if (setting.choices?.length === 2 && setting.choices.includes("true")) {
      control = make("input", { type: "checkbox", id, title: hint });
      control.checked = text(setting) === "true";
      control.onchange = () => put(setting.name, String(control.checked));
    } else if (setting.choices) control = select(setting.choices.map((one) => [one, one === "none" ? "default" : one]), text(setting), (value) => put(setting.name, value));
    else if (setting.words.length > 1 && (!mine()[setting.name] || setting.words.includes(mine()[setting.name]))) {
      const usual = setting.words.includes(setting.default) ? [] : [["", "default"]];
      control = select([...usual, ...setting.words.map((one) => [one, one]), ...(setting.free ? [["other…", "other…"]] : [])], text(setting), (value) => {
        if (value !== "other…") return put(setting.name, value);
        const other = typed();
        control.replaceWith(other);
        other.focus();
      });
    } else control = typed();
    return make("div", { class: "field" }, label, control, told ? make("p", { class: "hint" }, hint) : null);
  }
  function build() {
    const codec = of[chosen];
    el("codec").value = chosen;
    el("codec-about").textContent = `${codec.about}; ${codec.version}`;
    const sweep = codec.settings.find((one) => one.name === codec.sweep);
    const rest = codec.settings.filter((one) => one !== sweep && one.name !== "target_bytes");
    const first = rest.filter((one) => FIRST.has(one.name)), more = rest.filter((one) => !FIRST.has(one.name));
    const open = Boolean(el("controls").querySelector("details")?.open);
    el("controls").replaceChildren(...[sweep ? sweepField(codec, sweep) : make("p", { class: "note" }, "Without loss: there is no quality to choose."), ...first.map((one) => field(one, false)),
      more.length ? make("details", { open }, make("summary", {}, `${more.length} more setting${more.length === 1 ? "" : "s"}`), ...more.map((one) => field(one, true))) : null].filter(Boolean));
  }
  el("codec").onchange = () => { chosen = el("codec").value; build(); changed(); };
  build();
  return {
    /* What the server is asked for. */
    asked() {
      const target = aim().on && +aim().kb > 0 ? Math.max(1, Math.round(+aim().kb * 1000)) : undefined;
      return { codec: chosen, settings: { ...mine() }, ...(target ? { target } : {}) };
    },
    get codec() { return of[chosen]; },
    suggest(how) { suggested = how; },
  };
}
