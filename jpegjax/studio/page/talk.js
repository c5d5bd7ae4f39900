/* Requests to the studio's own server, and elements without markup: names and texts of files are only ever text here. */

export class Said extends Error {} // what the server says to the person
export class Dropped extends Error {} // a newer request took this one's place

async function checked(answer) {
  if (answer.ok) return answer;
  let text = `${answer.status} ${answer.statusText}`;
  try { text = (await answer.json()).error ?? text; } catch { /* not ours */ }
  if (answer.status === 409 && text.startsWith("a newer")) throw new Dropped(text);
  throw Object.assign(new Said(text), { status: answer.status });
}
async function sent(path, how) {
  let answer;
  try { answer = await fetch(path, how); } catch (error) {
    if (error.name === "AbortError") throw new Dropped();
    throw new Said("The studio does not answer: has it been ended?");
  }
  return checked(answer);
}
export const get = async (path) => (await sent(path)).json();
export const post = async (path, body) => (await sent(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) })).json();
export const upload = async (file) => (await sent("api/pictures", { method: "POST", headers: { "Content-Type": "application/octet-stream", "X-Name": encodeURIComponent(file.name) }, body: file })).json();

/* A view: { pixels: ImageData, rect } of what the server renders. */
export async function view(picture, query, signal) {
  const answer = await sent(`api/pictures/${picture}/view?${new URLSearchParams(query)}`, { signal });
  const [width, height] = answer.headers.get("X-Size").split(",").map(Number);
  const bytes = new Uint8ClampedArray(await answer.arrayBuffer());
  return { pixels: new ImageData(bytes, width, height), rect: answer.headers.get("X-Rect").split(",").map(Number) };
}

export const el = (id) => document.getElementById(id);
const SVG = new Set(["svg", "rect", "line", "text"]);
export function make(tag, properties = {}, ...children) {
  const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((one) => one !== null && one !== undefined));
  return node;
}
export function segments(box, options, chosen, picked) {
  const mark = (value) => box.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.value === String(value)));
  box.replaceChildren(...options.map(([value, label]) => make("button", { type: "button", "data-value": String(value), onclick: () => { mark(value); picked(value); } }, label)));
  mark(chosen);
  return mark;
}
export const bytes = (n) => (n < 1e4 ? `${n.toLocaleString("en")} B` : n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(2)} MB`);
export const seconds = (s) => (s < 0.0995 ? `${(s * 1e3).toFixed(s < 0.01 ? 1 : 0)} ms` : `${s.toFixed(2)} s`);
