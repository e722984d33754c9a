// A spectrum as bars: one group for each order or frequency, one bar for each phasor.
import { h } from "vue";
import { Sheet, tone, number, round } from "syms-lib";

const COLOURS = ["#d0a400", "#2f9e58", "#d0453a", "#3987e5", "#8a6fd1", "#3aa6b9"];
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 10, 8, 20];

export default {
  render() {
    return h("div", { class: "syms-bars" });
  },
  mounted() {
    const make = (classes) => this.$el.appendChild(Object.assign(document.createElement("div"), { className: classes }));
    Object.assign(this, { at: [], names: [], values: [], unit: "", top: 1 });
    this.list = make("list");
    this.sheet = new Sheet(make("sheet"), (ctx, width, height) => this.draw(ctx, width, height));
    this.sheet.canvas.onpointermove = (event) => this.point(event.offsetX);
    this.sheet.canvas.onpointerdown = (event) => this.point(event.offsetX);
    this.sheet.canvas.onpointerleave = () => this.point(null);
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** Orders or frequencies; their unit ("" or "Hz"); names of the phasors; what stands before their totals. */
    set_axis(at, unit, names, caption) {
      Object.assign(this, { at, unit, names, caption, values: [], top: 1 });
      this.sheet.ask();
    },

    /** [phasors][components] in % of the fundamental (or as `of` says), and what stands above them. */
    tell(values, of, summary) {
      this.values = values;
      this.of = of;
      this.summary = summary;
      const most = round(Math.max(1e-6, ...values.flat().filter((each) => each !== null)));
      if (most > this.top || most * 3 < this.top) this.top = most;
      this.write();
      this.sheet.ask();
    },

    point(x) {
      const width = this.sheet.parent.clientWidth - LEFT - RIGHT;
      const share = (x - LEFT) / width;
      this.pointed = x === null || share < 0 || share >= 1 ? null : Math.floor(share * this.at.length);
      this.write();
      this.sheet.ask();
    },

    label(k) {
      return this.unit ? `${number(this.at[k], this.at[k] % 1 ? 1 : 0)} ${this.unit}` : `h${this.at[k]}`;
    },

    write() {
      const parts = this.names.map((name, k) => {
        const value = this.pointed == null ? this.summary?.[k] : this.values[k]?.[this.pointed];
        const text = typeof value === "string" ? value : `${number(value)} ${this.of}`;
        return [COLOURS[k % COLOURS.length], `${name} ${text}`];
      });
      const make = (tag, text) => this.list.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
      this.list.replaceChildren();
      make("b", this.pointed == null ? this.caption : this.label(this.pointed));
      for (const [colour, text] of parts) {
        make("i", "").style.background = colour;
        make("span", text);
      }
    },

    draw(ctx, width, height) {
      const across = width - LEFT - RIGHT;
      const down = height - TOP - BOTTOM;
      if (!this.at.length || across < 50 || down < 30) return;
      ctx.strokeStyle = tone(this.$el, "line");
      ctx.fillStyle = tone(this.$el, "ink-2");
      ctx.textAlign = "right";
      const parts = /^[15]/.test(this.top.toExponential()) ? 5 : 4;
      for (let k = 0; k <= parts; k++) {
        const y = TOP + down * (1 - k / parts);
        ctx.beginPath();
        ctx.moveTo(LEFT, y);
        ctx.lineTo(width - RIGHT, y);
        ctx.stroke();
        ctx.fillText(`${number((this.top * k) / parts, this.top < 1 ? 2 : this.top < 10 ? 1 : 0)}${k === parts ? ` ${this.of ?? ""}` : ""}`, LEFT - 4, y + 4 + (k === parts ? 4 : 0));
      }
      const step = across / this.at.length;
      const every = Math.ceil(34 / step);
      ctx.textAlign = "center";
      this.at.forEach((_, k) => {
        const x = LEFT + k * step;
        if (k === this.pointed) {
          ctx.fillStyle = tone(this.$el, "line");
          ctx.fillRect(x, TOP, step, down);
        }
        const bar = (step * 0.8) / Math.max(1, this.values.length);
        this.values.forEach((values, phasor) => {
          const size = Math.min(1, (values[k] ?? 0) / this.top) * down;
          ctx.fillStyle = COLOURS[phasor % COLOURS.length];
          ctx.fillRect(x + step * 0.1 + phasor * bar, TOP + down - size, Math.max(0.8, bar - 0.5), size);
        });
        if (k % every === 0) {
          ctx.fillStyle = tone(this.$el, "ink-2");
          ctx.fillText(String(this.at[k]), x + step / 2, height - 5);
        }
      });
    },
  },
};
