"use strict";
/* Two pictures one over the other with a divider between them. What is over a frame's edge is reached by dragging; where the caller
   takes zooms, also by wheel, pinch and keys.

   box, clip, bar, divider: the elements. how.size(): [width, height] of the picture, in its pixels; how.zoom(): CSS pixels each.
   how.layers(): [{ node, rect: [x, y, width, height] }] of what is shown, in pixels of the picture. how.frame([w, h]): size of the
   box for a picture of w by h CSS pixels. how.state: { x: 0..1, pan: [0..1, 0..1] }, changed in place. how.changed(): told of that.
   how.setZoom(zoom): takes a zoom that the person asks for. */
function compareSlider({ box, clip, bar, divider }, how) {
  const unit = (v) => Math.min(1, Math.max(0, v)), { state } = how, pointers = new Map();
  let room = [0, 0], offset = [0, 0]; // CSS pixels of the picture that the box cannot show; those left and above of it
  function draw() {
    const zoom = how.zoom(), size = how.size().map((side) => side * zoom), frame = how.frame(size);
    Object.assign(box.style, { width: `${frame[0]}px`, height: `${frame[1]}px` });
    room = size.map((side, k) => side - frame[k]);
    offset = room.map((over, k) => Math.round(over * (over > 0 ? state.pan[k] : 0.5)));
    box.classList.toggle("pans", Math.max(...room) > 0.5);
    for (const { node, rect: [x, y, width, height] } of how.layers())
      Object.assign(node.style, { width: `${width * zoom}px`, height: `${height * zoom}px`, transform: `translate(${x * zoom - offset[0]}px, ${y * zoom - offset[1]}px)` });
    clip.style.clipPath = `inset(0 ${(1 - state.x) * 100}% 0 0)`;
    bar.style.left = `${state.x * 100}%`;
    divider.value = Math.round(state.x * 1000);
  }
  function change() { draw(); how.changed(); }
  /* The rectangle of the picture that is seen, in its pixels. */
  function seen() {
    const zoom = how.zoom(), frame = [box.clientWidth, box.clientHeight], size = how.size();
    const from = offset.map((v) => Math.max(0, v / zoom)), to = offset.map((v, k) => Math.min(size[k], (v + frame[k]) / zoom));
    return [from[0], from[1], to[0] - from[0], to[1] - from[1]];
  }
  /* Another zoom, the point of the picture at a place of the window staying there. */
  function zoomTo(zoom, clientX, clientY) {
    const frame = box.getBoundingClientRect(), at = [(clientX ?? frame.left + frame.width / 2) - frame.left, (clientY ?? frame.top + frame.height / 2) - frame.top];
    const point = at.map((v, k) => (v + offset[k]) / how.zoom());
    how.setZoom(zoom);
    draw();
    state.pan = room.map((over, k) => (over > 0 ? unit((point[k] * how.zoom() - at[k]) / over) : 0.5));
    change();
  }
  function panBy(dx, dy) {
    state.pan = [dx, dy].map((v, k) => (room[k] > 0 ? unit(state.pan[k] + v / room[k]) : 0.5));
    change();
  }
  divider.oninput = () => { state.x = divider.value / 1000; change(); };
  box.onpointerdown = (event) => {
    if (event.button > 0) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    box.setPointerCapture(event.pointerId);
    const frame = box.getBoundingClientRect(), pans = Math.max(...room) > 0.5 && Math.abs(event.clientX - frame.left - state.x * frame.width) > 30;
    const start = [...state.pan], from = [event.clientX, event.clientY];
    const slide = (now) => {
      if (pans) state.pan = [now.clientX, now.clientY].map((v, k) => (room[k] > 0 ? unit(start[k] - (v - from[k]) / room[k]) : 0.5));
      else state.x = unit((now.clientX - frame.left) / frame.width);
      change();
    };
    if (pointers.size === 1 && !pans) slide(event);
    box.onpointermove = (now) => {
      if (!pointers.has(now.pointerId)) return;
      const before = [...pointers.values()];
      pointers.set(now.pointerId, [now.clientX, now.clientY]);
      const after = [...pointers.values()];
      if (after.length === 1) return slide(now);
      if (!how.setZoom || after.length !== 2) return;
      const apart = ([p, q]) => Math.hypot(p[0] - q[0], p[1] - q[1]), middle = ([p, q]) => [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2];
      const [a, b] = [middle(before), middle(after)];
      panBy(a[0] - b[0], a[1] - b[1]);
      zoomTo((how.zoom() * apart(after)) / Math.max(1, apart(before)), ...b);
    };
  };
  box.onpointerup = box.onpointercancel = (event) => {
    pointers.delete(event.pointerId);
    box.onpointermove = null;
  };
  if (how.setZoom) {
    box.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoomTo(how.zoom() * Math.exp(-event.deltaY * (event.deltaMode ? 0.06 : 0.002)), event.clientX, event.clientY);
    }, { passive: false });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.target === divider || event.ctrlKey || event.metaKey || event.altKey || !(step || "+=-".includes(event.key))) return;
      event.preventDefault();
      if (step) panBy(step[0] * 60, step[1] * 60);
      else zoomTo(how.zoom() * (event.key === "-" ? 0.5 : 2));
    });
  }
  return { draw, seen, zoomTo, panBy };
}
