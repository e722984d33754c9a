// How many events there were on each day; a day that is clicked is chosen.
import { h } from "vue";
import { Sheet, tone, round } from "syms-lib";

const DAY = 86400000;
const LEAST = 14; // days
const [LEFT, BOTTOM] = [34, 15]; // px

export default {
  props: { hint: String },
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-days", title: this.hint });
  },
  mounted() {
    Object.assign(this, { days: [], chosen: [null, null] });
    this.sheet = new Sheet(this.$el, (ctx, width, height) => this.draw(ctx, width, height));
    this.$el.onclick = (event) => {
      const day = this.at(event.clientX - this.$el.getBoundingClientRect().left);
      if (day !== null) this.$emit("pick", day);
    };
    this.$el.onmousemove = (event) => {
      const over = this.at(event.clientX - this.$el.getBoundingClientRect().left);
      if (over !== this.over) {
        this.over = over;
        this.sheet.ask();
      }
    };
    this.$el.onmouseleave = () => {
      this.over = null;
      this.sheet.ask();
    };
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** [[day since 1970, count], …] in order; the first and last day that are chosen, null: not bound. */
    tell(days, first, last) {
      this.days = days;
      this.chosen = [first, last];
      this.sheet.ask();
    },

    range() {
      const last = Math.max(Math.floor(Date.now() / DAY), this.days.at(-1)?.[0] ?? 0);
      return [Math.min(this.days[0]?.[0] ?? last, last - LEAST + 1), last + 1];
    },

    at(x) {
      const [first, stop] = this.range();
      const day = first + Math.floor(((x - LEFT) / (this.$el.clientWidth - LEFT)) * (stop - first));
      return day >= first && day < stop ? day : null;
    },

    draw(ctx, width, height) {
      const [first, stop] = this.range();
      const each = (width - LEFT) / (stop - first);
      const most = round(Math.max(1, ...this.days.map(([, count]) => count)));
      const x = (day) => LEFT + (day - first) * each;
      const y = (count) => height - BOTTOM - (count / most) * (height - BOTTOM - 6);
      const [from, until] = this.chosen;
      if (from !== null || until !== null) {
        ctx.fillStyle = tone(this.$el, "panel-2");
        ctx.fillRect(x(from ?? first), 0, x((until ?? stop - 1) + 1) - x(from ?? first), height - BOTTOM);
      }
      ctx.fillStyle = ctx.strokeStyle = tone(this.$el, "ink-3");
      ctx.textAlign = "right";
      ctx.fillText(String(most), LEFT - 5, y(most) + 5);
      ctx.fillText("0", LEFT - 5, y(0));
      ctx.fillRect(LEFT, height - BOTTOM, width - LEFT, 1);
      ctx.textAlign = "left";
      const step = Math.max(1, Math.ceil(76 / each));
      for (let day = stop - 1; day >= first; day -= step) {
        const text = new Date(day * DAY).toISOString().slice(0, 10);
        const place = Math.min(x(day), width - ctx.measureText(text).width);
        if (place >= LEFT) ctx.fillText(text, place, height - 3);
      }
      for (const [day, count] of this.days) {
        const chosen = (from === null || day >= from) && (until === null || day <= until);
        ctx.fillStyle = tone(this.$el, day === this.over ? "ink-1" : chosen ? "accent" : "none");
        ctx.fillRect(x(day), y(count), Math.max(1, Math.min(each - 1, 40)), height - BOTTOM - y(count));
      }
      if (this.over != null) {
        const count = this.days.find(([day]) => day === this.over)?.[1] ?? 0;
        const text = `${new Date(this.over * DAY).toISOString().slice(0, 10)}: ${count}`;
        ctx.fillStyle = tone(this.$el, "ink-1");
        ctx.textAlign = x(this.over) > width / 2 ? "right" : "left";
        ctx.fillText(text, x(this.over) + (x(this.over) > width / 2 ? -4 : each + 4), 12);
      }
    },
  },
};
