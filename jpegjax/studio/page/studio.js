/* The page: a picture comes in, results go out. One preview at a time is on its way; while a person moves a control, the newest counts. */
import { Dropped, Said, bytes, el, get, post, upload } from "./talk.js";
import { makeControls } from "./controls.js";
import { makeFolder, makePanels } from "./panels.js";
import { makeStage } from "./stage.js";

const EXACT_AFTER = 250, POLL = 350; // milliseconds
let picture = null, result = null, busy = false, dirty = false, exactTimer = 0, pollTimer = 0, started = null, round = 0, version = 0;

function failed(error) {
  if (error instanceof Dropped) return;
  if (!(error instanceof Said)) console.error(error);
  el("error").textContent = error instanceof Said ? error.message : `Something went wrong here: ${error.message}`;
  el("error").hidden = false;
}
const fine = () => { el("error").hidden = true; };
function chip(state, text) {
  el("chip").dataset.state = state;
  el("chip").textContent = el("chip").title = text;
}
function shown() {
  if (!result) return chip("none", picture ? "nothing yet" : "no picture");
  if (result.exact) return chip("exact", "exact file");
  const [width, height] = result.size;
  chip("preview", result.reduced ? `preview: at ${width}×${height}; exact file follows` : `preview: the ${width}×${height} seen; exact file follows`);
}

const stage = makeStage({ failed, most: () => started?.bounds.view ?? 1.5e6, moved: () => { if (result && !result.exact && stage.zoomed) ask(); } });
async function take(next) {
  result = next;
  panels.show(result, picture);
  shown();
  await stage.setResult(result);
  document.documentElement.dataset.shown = `${result.exact ? "exact" : "preview"} ${++round}`;
}
let panels = null, controls = null, folder = { mark() {} };

/* Ask for what the controls say: a preview, or the exact file where that is as quick. */
async function ask() {
  clearTimeout(exactTimer);
  if (!picture || !controls) return;
  if (busy) { dirty = true; return; }
  busy = true; dirty = false;
  const mine = picture;
  if (!result) chip("working", "encoding…");
  const slow = setTimeout(() => chip("working", "encoding… (a codec's first time takes longer)"), 2500);
  try {
    const next = await post(`api/pictures/${picture.id}/results`, { ...controls.asked(), ...stage.seen(), exact: false });
    if (picture === mine) { fine(); await take(next); }
  } catch (error) {
    if (picture === mine) refused(error);
  } finally { busy = false; clearTimeout(slow); }
  if (dirty) return ask();
  if (picture !== mine || !result) return;
  if (result.exact) poll();
  else exactTimer = setTimeout(finish, EXACT_AFTER);
}
/* The exact file, on its way beside any preview; dropped where the person has changed something since. */
async function finish() {
  const mine = version, of = picture;
  try {
    const next = await post(`api/pictures/${picture.id}/results`, { ...controls.asked(), ...stage.seen(), exact: true });
    if (version !== mine || picture !== of) return;
    fine();
    await take(next);
    poll();
  } catch (error) {
    if (version === mine && picture === of) refused(error);
  }
}
function refused(error) {
  if (error instanceof Dropped) return;
  if (error.status === 410) return gone();
  failed(error);
  chip("none", "these settings give no file");
  el("share").textContent = "these settings give none";
}
function changed() {
  version += 1;
  fine();
  clearTimeout(pollTimer);
  if (picture) panels.waiting();
  ask();
}
function poll() {
  clearTimeout(pollTimer);
  if (!result?.exact || (!result.left.length && result.inside)) return;
  const mine = result.id;
  pollTimer = setTimeout(async () => {
    try {
      const told = await get(`api/results/${mine}`);
      if (result?.id !== mine) return;
      result = told;
      panels.show(result, picture);
      poll();
    } catch (error) { if (error.status !== 410) failed(error); }
  }, POLL);
}
function gone() {
  picture = result = null;
  stage.setPicture(null); panels.show(null); shown(); head();
  el("empty").hidden = false;
  failed(new Said("This picture is not kept any more; open it again."));
}
function head() {
  el("name").textContent = picture ? picture.name : "No picture yet";
  el("name").title = picture ? picture.name : "";
  el("about").textContent = picture ? [`${picture.width}×${picture.height}`, picture.grey ? "grey" : null, bytes(picture.nbytes), ...picture.notes].filter(Boolean).join(" · ") : "\u00a0";
  document.title = picture ? `${picture.name} · jpegjax studio` : "jpegjax studio";
}
async function bring(promise, index = null) {
  fine();
  clearTimeout(exactTimer); clearTimeout(pollTimer);
  const before = picture;
  chip("working", "reading the picture…");
  try {
    picture = await promise;
    result = null;
    el("empty").hidden = true;
    head(); folder.mark(index); panels?.show(null, picture);
    stage.setPicture(picture).catch(failed);
    ask();
  } catch (error) { picture = before; failed(error); shown(); }
}
function bringFile(file) {
  if (!file) return;
  if (started && file.size > started.bounds.nbytes) return failed(new Said(`${file.name}: ${bytes(file.size)}; at most ${bytes(started.bounds.nbytes)} are taken`));
  bring(upload(file));
}

// ---- ways in
el("open").onclick = el("choose").onclick = () => el("file").click();
el("file").onchange = () => { bringFile(el("file").files[0]); el("file").value = ""; };
let over = 0;
addEventListener("dragenter", (event) => { event.preventDefault(); over += 1; el("catch").hidden = false; });
addEventListener("dragleave", () => { over = Math.max(0, over - 1); if (!over) el("catch").hidden = true; });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => { event.preventDefault(); over = 0; el("catch").hidden = true; bringFile(event.dataTransfer.files[0]); });
addEventListener("paste", (event) => { const file = event.clipboardData?.files[0]; if (file) bringFile(file); });
el("choose").addEventListener("pointerdown", (event) => event.stopPropagation());
el("error").addEventListener("pointerdown", (event) => event.stopPropagation());
el("empty").addEventListener("pointerdown", (event) => event.stopPropagation());

// ---- light and dark
function theme(next) {
  if (next) document.documentElement.dataset.theme = next;
}
try { theme(localStorage.getItem("jpegjax-theme")); } catch { /* storage is off */ }
el("theme").onclick = () => {
  const next = getComputedStyle(document.documentElement).colorScheme === "dark" ? "light" : "dark";
  theme(next);
  try { localStorage.setItem("jpegjax-theme", next); } catch { /* storage is off */ }
};

// ---- begin
stage.setPicture(null);
chip("working", "loading codecs…");
try {
  started = await get("api/start");
  panels = makePanels(started);
  panels.show(null);
  controls = makeControls(started.codecs, changed);
  controls.suggest(() => (result?.exact ? (result.nbytes / 1000).toFixed(1) : ""));
  el("taken").textContent = `${started.formats.join(", ")}; up to ${Math.round(started.bounds.pixels / 1e6)} million pixels`;
  const open = (index) => bring(post(`api/folder/${index}`), index);
  folder = makeFolder(started.folder, { open, asked: () => controls.asked(), failed });
  shown();
  if (picture) ask();
  else if (started.folder?.files.length) open(0);
} catch (error) { failed(error); }
document.documentElement.dataset.ready = "yes";
