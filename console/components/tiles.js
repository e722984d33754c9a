// A strip of figures: large ones with a line below, one with a small trend, and how many devices are in which state.
import { h } from "vue";
import { STATES, Sheet, tone } from "syms-lib";

export default {
  props: { captions: Array, states: Array },
  render() {
    return h("div", { class: "syms-tiles" });
  },
  mounted() {
    const make = (classes, parent, text = "") => parent.appendChild(Object.assign(document.createElement("div"), { className: classes, textContent: text }));
    this.past = [];
    this.tiles = this.captions.map((caption, k) => {
      const tile = make("tile", this.$el);
      const body = make("body", tile);
      const caption_ = make("caption", body, caption);
      const found = { caption: caption_, value: make("value figures", body), more: make("more figures", body) };
      if (k === 0) this.sheet = new Sheet(make("spark", tile), (ctx, width, height) => this.draw(ctx, width, height));
      return found;
    });
    const tile = make("tile states", this.$el);
    this.counts = this.states.map((name, k) => {
      const count = make("count", tile);
      make(`dot ${STATES[k]}`, count);
      const value = make("figures", count, "–");
      make("name", count, name);
      return { count, value };
    });
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** [[value, more, caption or null], …] of each tile, and how many devices are in each state. */
    tell(values, counts) {
      values.forEach(([value, more, caption], k) => {
        put(this.tiles[k].value, value);
        put(this.tiles[k].more, more);
        if (caption) put(this.tiles[k].caption, caption);
      });
      counts.forEach((count, k) => {
        put(this.counts[k].value, String(count));
        this.counts[k].count.classList.toggle("nobody", !count && k > 0);
      });
    },

    /** [[least, centre, greatest], …] by second; what is told later is added. */
    append(points) {
      this.past = [...this.past, ...points].slice(-300);
      this.sheet.ask();
    },

    draw(ctx, width, height) {
      const known = this.past.filter((each) => each[1] !== null);
      if (known.length < 2) return;
      const low = Math.min(...known.map((each) => each[0]));
      const high = Math.max(...known.map((each) => each[2]));
      const span = Math.max(high - low, 0.004);
      const middle = (low + high) / 2;
      const x = (k) => (k / (this.past.length - 1)) * width;
      const y = (value) => height / 2 - ((value - middle) / span) * (height - 6);
      const path = (index, back) => {
        const places = this.past.map((_, k) => (back ? this.past.length - 1 - k : k));
        for (const k of places) if (this.past[k][index] !== null) ctx.lineTo(x(k), y(this.past[k][index]));
      };
      ctx.beginPath();
      path(0, false);
      path(2, true);
      ctx.globalAlpha = 0.2;
      ctx.fillStyle = tone(this.$el, "accent");
      ctx.fill();
      ctx.globalAlpha = 1;
      ctx.beginPath();
      path(1, false);
      ctx.strokeStyle = tone(this.$el, "accent");
      ctx.lineWidth = 1.4;
      ctx.stroke();
    },
  },
};

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
