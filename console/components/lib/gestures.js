// What fingers, mouse and wheel do to something that can be moved and zoomed.

const STILL = 4; // px that a click may move

/**
 * Call what `on` has: move(dx, dy), zoom([x, y], ratio), click([x, y]), hover([x, y]), leave(), again() (double click).
 * Places are in px from the element's corner; a ratio above 1 makes larger.
 */
export function gestures(element, on) {
  const held = new Map();
  let moved = 0;
  element.style.touchAction = "none";
  const here = (event) => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  element.onpointerdown = (event) => {
    element.setPointerCapture(event.pointerId);
    held.set(event.pointerId, here(event));
    moved = 0;
  };
  element.onpointermove = (event) => {
    const now = here(event);
    const before = held.get(event.pointerId);
    if (!before) return on.hover?.(now);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    moved += Math.abs(dx) + Math.abs(dy);
    if (held.size === 1 && moved > STILL) on.move(dx, dy);
    if (held.size === 2) {
      const other = [...held].find(([id]) => id !== event.pointerId)[1];
      const apart = (each) => Math.max(8, Math.hypot(each[0] - other[0], each[1] - other[1]));
      on.zoom(other, apart(now) / apart(before));
    }
    held.set(event.pointerId, now);
  };
  element.onpointerup = (event) => {
    held.delete(event.pointerId);
    if (moved <= STILL) on.click?.(here(event));
  };
  element.onpointercancel = (event) => held.delete(event.pointerId);
  element.onpointerleave = (event) => event.pointerType === "mouse" && on.leave?.(); // a finger always leaves
  element.ondblclick = () => on.again?.();
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    on.zoom(here(event), event.deltaY > 0 ? 0.8 : 1.25);
  }, { passive: false });
}
