// Intrinsic mode functions of a frequency, fastest first, the residue last: each with its own scale.
import { h } from "vue";
import { Sheet, tone, number } from "syms-lib";

const [LEFT, BOTTOM, GAP] = [92, 16, 5]; // px

export default {
  props: { texts: Object },
  render() {
    return h("div", { class: "syms-modes" });
  },
  mounted() {
    this.values = [];
    this.sheet = new Sheet(this.$el, (ctx, width, height) => this.draw(ctx, width, height));
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** [values [mHz], …], mean periods [s; null: none], time of the first value from the onset [ms], step [ms]. */
    tell(values, period, start, step) {
      Object.assign(this, { values: values ?? [], period, start, step });
      this.sheet.ask();
    },

    draw(ctx, width, height) {
      const count = this.values.length;
      if (!count) return;
      const rows = this.values[0].length;
      const each = (height - BOTTOM) / count;
      const x = (k) => LEFT + (k / (rows - 1)) * (width - LEFT - 6);
      const zero = x(-this.start / this.step);
      ctx.strokeStyle = tone(this.$el, "alarm");
      ctx.globalAlpha = 0.6;
      ctx.beginPath();
      ctx.moveTo(zero, 0);
      ctx.lineTo(zero, height - BOTTOM);
      ctx.stroke();
      ctx.globalAlpha = 1;
      this.values.forEach((values, place) => {
        const top = place * each;
        const low = values.reduce((a, b) => Math.min(a, b));
        const high = values.reduce((a, b) => Math.max(a, b));
        const y = (value) => top + GAP + (1 - (value - low) / Math.max(high - low, 1e-9)) * (each - 2 * GAP);
        ctx.strokeStyle = tone(this.$el, "line");
        ctx.beginPath();
        ctx.moveTo(0, top + each);
        ctx.lineTo(width, top + each);
        ctx.stroke();
        ctx.strokeStyle = tone(this.$el, place === count - 1 ? "ink-2" : "accent");
        ctx.lineWidth = 1.2;
        ctx.beginPath();
        values.forEach((value, k) => ctx.lineTo(x(k), y(value)));
        ctx.stroke();
        ctx.lineWidth = 1;
        ctx.textAlign = "left";
        ctx.fillStyle = tone(this.$el, "ink-1");
        const last = place === count - 1;
        const period = this.period[place];
        const said = period ? (period < 10 ? `${number(1 / period)} Hz` : `${number(period, 0)} s`) : "–";
        ctx.fillText(last ? this.texts.residue : `${place + 1}   ${said}`, 6, top + each / 2 - 2);
        ctx.fillStyle = tone(this.$el, "ink-3");
        ctx.fillText(last ? `${number(low, 1)} … ${number(high, 1)}` : `${number(high - low, 1)} mHz`, 6, top + each / 2 + 11);
      });
      ctx.fillStyle = tone(this.$el, "ink-3");
      ctx.textAlign = "center";
      const seconds = (rows * this.step) / 1000;
      const tick = [1, 2, 5, 10, 20, 60].find((one) => seconds / one <= 10) ?? 120;
      for (let at = Math.ceil(this.start / 1000 / tick) * tick; at * 1000 <= this.start + rows * this.step; at += tick)
        ctx.fillText(`${at} s`, Math.min(Math.max(x((at * 1000 - this.start) / this.step), LEFT), width - 14), height - 4);
    },
  },
};
