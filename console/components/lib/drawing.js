// What canvases of several components need.

/** A canvas that fills `parent` and stays sharp; `draw(ctx, width, height)` is called when its size changes. */
export class Sheet {
  constructor(parent, draw) {
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas.style, { width: "100%", height: "100%", display: "block" });
    parent.append(this.canvas);
    this.parent = parent;
    this.draw = draw;
    this.resizes = new ResizeObserver(() => this.ask());
    this.resizes.observe(parent);
    this.themes = new MutationObserver(() => this.ask());
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  /** Draw with the next picture of the screen, once. */
  ask() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = null;
      this.now();
    });
  }

  now() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.parent.clientWidth, this.parent.clientHeight];
    if (!width || !height) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const ctx = this.canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = "11px Roboto, sans-serif";
    this.draw(ctx, width, height);
  }

  close() {
    cancelAnimationFrame(this.asked);
    this.resizes.disconnect();
    this.themes.disconnect();
  }
}

/** A colour of the page's style. */
export function tone(element, name) {
  return getComputedStyle(element).getPropertyValue(`--${name}`).trim();
}

const LOW = [43, 111, 201];
const MIDDLE_LIGHT = [214, 218, 222];
const MIDDLE_DARK = [98, 110, 121];
const HIGH = [214, 84, 38];

/** [r, g, b] of a share from -1 (low) to 1 (high). */
export function diverging(share, dark) {
  const end = share < 0 ? LOW : HIGH;
  const middle = dark ? MIDDLE_DARK : MIDDLE_LIGHT;
  const at = Math.min(1, Math.abs(share));
  return end.map((value, k) => Math.round(middle[k] + (value - middle[k]) * at));
}

/** The least round number of 1, 2, 5 · 10^k that is not below. */
export function round(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 1e-12)));
  return [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= value * 0.999);
}
