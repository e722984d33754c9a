// Completeness: a row for each device, a cell for each hour or day. Only rows in sight are drawn.
import { h } from "vue";
import { Sheet, tone } from "syms-lib";

const ROW = 17;
const NAME = 148;
const SHARE = 62;
const HEAD = 22;
const STEPS = [0.99, 0.95, 0.8, 1e-9];
const LIGHT = ["#2f9e62", "#c9c13b", "#e08a2c", "#cf4336", "#5c1f2a"];
const DARK = ["#2b8a57", "#a8a130", "#c87722", "#c0392e", "#6e2632"];

export default {
  props: { texts: Object },
  render() {
    return h("div", { class: "syms-heat" });
  },
  mounted() {
    const make = (classes, parent) => parent.appendChild(Object.assign(document.createElement("div"), { className: classes }));
    this.pane = make("pane", this.$el);
    this.space = make("space", this.pane);
    this.view = make("view", this.$el);
    this.tip = make("tip", this.$el);
    this.legend = make("legend", this.$el);
    this.sheet = new Sheet(this.view, (ctx, width, height) => this.draw(ctx, width, height));
    this.pane.onscroll = () => this.sheet.ask();
    this.pane.onmousemove = (event) => this.point(event);
    this.pane.onmouseleave = () => (this.tip.style.display = "none");
    this.told = { names: [], cells: [], shares: [], wholes: [] };
    this.texts.steps.forEach((text, k) => {
      const mark = make("mark", this.legend);
      mark.style.background = LIGHT[k];
      this.legend.append(text);
    });
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** names [d], cells [c] of time as texts: short and long; shares [d][c], wholes [d]: 0 to 1, null where nothing is expected. */
    tell(names, cells, shares, wholes) {
      this.told = { names, cells, shares, wholes };
      this.space.style.height = `${HEAD + names.length * ROW}px`;
      this.sheet.ask();
    },

    draw(ctx, width, height) {
      const { names, cells, shares, wholes } = this.told;
      const palette = document.body.classList.contains("body--dark") ? DARK : LIGHT;
      const [ink, dim, panel] = ["ink-1", "ink-3", "panel-2"].map((name) => tone(this.$el, name));
      const cell = this.cell(width);
      const top = this.pane.scrollTop;
      const first = Math.max(0, Math.floor((top - ROW) / ROW));
      ctx.textBaseline = "middle";
      for (let row = first; row < names.length; row++) {
        const y = HEAD + row * ROW - top;
        if (y > height) break;
        ctx.fillStyle = ink;
        ctx.textAlign = "left";
        ctx.fillText(shorten(ctx, names[row], NAME - 14), 8, y + ROW / 2);
        ctx.textAlign = "right";
        ctx.fillStyle = wholes[row] !== null && wholes[row] < STEPS[0] ? palette[3] : dim;
        ctx.fillText(percent(wholes[row]), NAME + SHARE - 8, y + ROW / 2);
        shares[row].forEach((share, k) => {
          const step = STEPS.findIndex((least) => share >= least);
          ctx.fillStyle = share === null ? panel : palette[step < 0 ? 4 : step];
          ctx.fillRect(NAME + SHARE + k * cell, y + 1, Math.max(1, cell - 1), ROW - 2);
        });
      }
      ctx.fillStyle = tone(this.$el, "panel");
      ctx.fillRect(0, 0, width, HEAD);
      ctx.fillStyle = dim;
      ctx.textAlign = "center";
      const every = Math.ceil(44 / cell);
      cells.forEach(([short], k) => k % every === 0 && ctx.fillText(short, NAME + SHARE + (k + 0.5) * cell, HEAD / 2));
    },

    cell(width) {
      return Math.min(60, (width - NAME - SHARE - 8) / Math.max(1, this.told.cells.length));
    },

    point(event) {
      const { names, cells, shares } = this.told;
      const box = this.view.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const row = Math.floor((y - HEAD + this.pane.scrollTop) / ROW);
      const k = Math.floor((x - NAME - SHARE) / this.cell(this.view.clientWidth));
      const share = y > HEAD && shares[row] ? shares[row][k] : undefined;
      this.tip.style.display = share === undefined ? "none" : "";
      if (share === undefined) return;
      this.tip.textContent = `${names[row]}\n${cells[k][1]}\n${share === null ? this.texts.none : percent(share)}`;
      this.tip.style.left = `${Math.min(x + 14, box.width - 190)}px`;
      this.tip.style.top = `${y + 60 > box.height ? y - 60 : y + 12}px`;
    },
  },
};

function percent(share) {
  return share === null ? "" : `${(Math.floor(share * 1e4) / 100).toFixed(2)} %`;
}

function shorten(ctx, text, width) {
  let cut = text;
  while (cut && ctx.measureText(cut).width > width) cut = cut.slice(0, -1);
  return cut === text ? text : `${cut.slice(0, -1)}…`;
}
