// What all devices measured around an event: frequency, voltage, angle below each other, a cursor that goes through them
// as fast as one wants, and a map that shows the frequencies of that moment.
import { h } from "vue";
import { Sheet, Tools, make, tone, round, day, clock, number, unpacked, column, track, usual, gestures } from "syms-lib";

const [LEFT, BOTTOM, HEAD] = [58, 17, 15]; // px
const SPEEDS = [0.1, 0.2, 0.5, 1, 2, 5, 10];
const MAP_EVERY = 40; // ms
const SHORTEST = 200; // ms
const DIGITS = [1, 4, 2];
const UNITS = ["mHz", "", "°"];
const LEAST = [2, 0.002, 0.5];
const POINTS = 400000; // that are drawn, so that hundreds of devices do not hold up the page

export default {
  props: { texts: Object, local: Boolean, map: Number },
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-clip" });
  },
  mounted() {
    Object.assign(this, { told: null, picked: null, at: 0, speed: 1, playing: false, drawnMap: 0 });
    this.build();
    this.base = new Sheet(make("div", "sheet", this.body), (ctx, width, height) => this.draw(ctx, width, height));
    this.over = new Sheet(make("div", "sheet", this.body), (ctx, width, height) => this.mark(ctx, width, height));
    this.gestures();
  },
  beforeUnmount() {
    this.gone = true;
    this.base.close();
    this.over.close();
  },
  methods: {
    // ── what the server says ──────────────────────────────────────────────────────────────────────────────

    /** Fetch what console/eventrecord.py packed; what is chosen and where one is stays. */
    async load(url) {
      this.note.textContent = this.texts.loading;
      try {
        const answer = await fetch(url);
        if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
        this.take(unpacked(await answer.arrayBuffer()));
      } catch (fault) {
        this.note.textContent = `${this.texts.failed}: ${fault.message}`;
      }
    },

    take(told) {
      const first = !this.told?.device.length;
      this.told = told;
      this.rowOf = new Map(told.device.map((id, row) => [id, row]));
      this.length = told.rows * told.step;
      this.note.textContent = told.rows ? "" : this.texts.none;
      if (first) [this.from, this.until, this.at] = [0, this.length, told.onset - told.start];
      window.getElement?.(this.map)?.hold(Math.max(5, round(usual(told))));
      this.shown();
    },

    /** A device comes to the front. */
    pick(id) {
      this.picked = id;
      this.base.ask();
      this.over.ask();
    },

    // ── replay ────────────────────────────────────────────────────────────────────────────────────────────

    play(is) {
      if (!this.told?.rows) return;
      this.playing = is;
      if (is && this.at >= this.until - this.told.step) this.at = this.from;
      this.button.firstChild.textContent = is ? "pause" : "play_arrow";
      this.button.title = is ? this.texts.hold : this.texts.play;
      this.button.setAttribute("aria-label", this.button.title);
      this.before = null;
      if (is) requestAnimationFrame((now) => this.step(now));
    },

    step(now) {
      if (!this.playing || this.gone) return;
      if (this.before !== null) this.at += (now - this.before) * this.speed;
      this.before = now;
      if (this.at >= this.until) {
        this.at = this.until - this.told.step;
        this.play(false);
      } else requestAnimationFrame((next) => this.step(next));
      this.over.ask();
      if (now - this.drawnMap >= MAP_EVERY || !this.playing) this.tellMap(now);
    },

    go(at) {
      this.at = Math.min(Math.max(at, 0), this.length - this.told.step);
      this.over.ask();
      this.tellMap(performance.now());
    },

    tellMap(now) {
      this.drawnMap = now;
      const { told } = this;
      const k = this.index();
      const values = told.places.map((id) => column(told, 0, this.rowOf.get(id), k));
      const there = values.filter((value) => value !== null);
      const time = told.start + this.at;
      const bad = new Set(told.bad.filter(([, start, stop]) => start <= time && time < stop).map(([id]) => id));
      const states = told.places.map((id, place) => (values[place] === null ? 1 : bad.has(id) ? 3 : 0)).join("");
      const centre = there.reduce((sum, value) => sum + value, 0) / Math.max(1, there.length);
      window.getElement?.(this.map)?.tell(states, values, centre);
    },

    index() {
      return Math.min(Math.max(Math.round(this.at / this.told.step), 0), this.told.rows - 1);
    },

    // ── what is drawn ─────────────────────────────────────────────────────────────────────────────────────

    shown() {
      this.base.ask();
      this.over.ask();
      if (this.told?.rows) this.tellMap(performance.now());
    },

    x(at, width) {
      return LEFT + ((at - this.from) / (this.until - this.from)) * (width - LEFT - 4);
    },

    pane(place, height) {
      const each = (height - BOTTOM) / 3;
      return { top: place * each + HEAD, bottom: (place + 1) * each - 3 };
    },

    colour(place) {
      const { told } = this;
      const order = told.order[place];
      return order === null ? tone(this.$el, "none") : `hsl(${225 - 225 * order} 70% ${this.dark ? 62 : 45}%)`;
    },

    draw(ctx, width, height) {
      const { told } = this;
      if (!told?.rows || width < LEFT + 40) return;
      this.dark = document.body.classList.contains("body--dark");
      const colours = told.device.map((_, place) => this.colour(place));
      const order = told.device.map((_, place) => place).sort((a, b) => (told.order[b] ?? 2) - (told.order[a] ?? 2));
      const picked = this.rowOf.get(this.picked);
      this.drawBad(ctx, width, height);
      const columns = Math.min(width - LEFT - 4, Math.max(100, POINTS / (6 * told.device.length)));
      this.ranges = told.scale.map((_, quantity) => {
        const { top, bottom } = this.pane(quantity, height);
        const lines = order.map((row) => [row, track(told, quantity, row, this.from, this.until, columns)]);
        let [low, high] = [Infinity, -Infinity];
        for (const [, points] of lines) for (const [, value] of points) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
        if (low > high) [low, high] = [0, 0];
        const slack = Math.max(0.05 * (high - low), LEAST[quantity] / 2);
        const y = (value) => bottom - ((value - low + slack) / (high - low + 2 * slack)) * (bottom - top);
        this.axis(ctx, width, quantity, low - slack, high + slack, y, top, bottom);
        ctx.save();
        ctx.beginPath();
        ctx.rect(LEFT, top - 2, width - LEFT, bottom - top + 4);
        ctx.clip();
        const dim = picked === undefined ? 1 : 0.25;
        for (const [row, points] of [...lines.filter(([each]) => each !== picked), ...lines.filter(([each]) => each === picked)]) {
          ctx.globalAlpha = row === picked ? 1 : dim;
          ctx.lineWidth = row === picked ? 2 : 1.1;
          ctx.strokeStyle = colours[row];
          ctx.beginPath();
          let open = false;
          for (const [at, value] of points) {
            if (value === null) open = false;
            else {
              open ? ctx.lineTo(this.x(at, width), y(value)) : ctx.moveTo(this.x(at, width), y(value));
              open = true;
            }
          }
          ctx.stroke();
        }
        ctx.restore();
        return y;
      });
      this.drawTimes(ctx, width, height);
      this.drawArrivals(ctx, width, height, colours);
    },

    axis(ctx, width, quantity, low, high, y, top, bottom) {
      const step = round((high - low) / Math.max(1, Math.floor((bottom - top) / 30)));
      ctx.fillStyle = tone(this.$el, "ink-3");
      ctx.textAlign = "right";
      const digits = Math.max(0, -Math.floor(Math.log10(step) + 0.01));
      for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
        ctx.fillStyle = tone(this.$el, "line");
        ctx.fillRect(LEFT, Math.round(y(at)), width - LEFT, 1);
        ctx.fillStyle = tone(this.$el, "ink-3");
        ctx.fillText(at.toFixed(digits).replace("-", "−").replace(/^−0(\.0*)?$/, "0"), LEFT - 5, y(at) + 4);
      }
      ctx.textAlign = "left";
      ctx.fillStyle = tone(this.$el, "ink-2");
      ctx.fillText(this.texts.panes[quantity], 6, top - 4);
    },

    drawTimes(ctx, width, height) {
      const span = this.until - this.from;
      const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300].map((each) => each * 1000).find((each) => (span / each) * 64 <= width) ?? 600000;
      const onset = this.told.onset - this.told.start;
      ctx.fillStyle = tone(this.$el, "ink-3");
      ctx.textAlign = "center";
      for (let at = Math.ceil((this.from - onset) / step) * step; at + onset <= this.until; at += step)
        ctx.fillText(`${at > 0 ? "+" : ""}${Number((at / 1000).toFixed(2))} s`.replace("-", "−"), Math.min(this.x(at + onset, width), width - 18), height - 4);
      ctx.fillStyle = tone(this.$el, "alarm");
      if (onset >= this.from && onset <= this.until) ctx.fillRect(Math.round(this.x(onset, width)), 0, 1, height - BOTTOM);
    },

    drawBad(ctx, width, height) {
      ctx.fillStyle = tone(this.$el, "bad");
      ctx.globalAlpha = 0.16;
      for (const [, start, stop] of this.told.bad) {
        const [left, right] = [Math.max(start - this.told.start, this.from), Math.min(stop - this.told.start, this.until)];
        if (left < right) ctx.fillRect(this.x(left, width), 0, Math.max(2, this.x(right, width) - this.x(left, width)), height - BOTTOM);
      }
      ctx.globalAlpha = 1;
    },

    /** When each device saw it: a tick at the lower edge of the frequencies. */
    drawArrivals(ctx, width, height, colours) {
      const { bottom } = this.pane(0, height);
      this.told.arrival.forEach((time, row) => {
        const at = time === null ? null : time - this.told.start;
        if (at === null || at < this.from || at > this.until) return;
        ctx.fillStyle = colours[row];
        const x = this.x(at, width);
        ctx.beginPath();
        ctx.moveTo(x, bottom - 6);
        ctx.lineTo(x - 3.5, bottom + 1);
        ctx.lineTo(x + 3.5, bottom + 1);
        ctx.fill();
      });
    },

    mark(ctx, width, height) {
      const { told } = this;
      if (!told?.rows) return;
      const x = this.x(this.at, width);
      if (x >= LEFT && x <= width) {
        ctx.fillStyle = tone(this.$el, "ink-1");
        ctx.fillRect(Math.round(x), 0, 1, height - BOTTOM);
      }
      const time = told.start + this.at;
      const apart = (time - told.onset) / 1000;
      this.moment.textContent = `${day(time, this.local)} ${clock(time, this.local, 3)}   ${apart < 0 ? "−" : "+"}${Math.abs(apart).toFixed(2)} s`;
      const row = this.rowOf.get(this.picked);
      const k = this.index();
      ctx.textAlign = "right";
      ctx.font = "500 11px 'Roboto Mono', monospace";
      UNITS.forEach((unit, quantity) => {
        const said = row === undefined ? this.spread(quantity, k) : `${told.name[row]}  ${number(column(told, quantity, row, k), DIGITS[quantity])}`;
        ctx.fillStyle = row === undefined ? tone(this.$el, "ink-2") : this.colour(row);
        ctx.fillText(`${said} ${unit}`.replaceAll("-", "−"), width - 6, this.pane(quantity, height).top - 4);
      });
    },

    spread(quantity, k) {
      const values = this.told.device.map((_, row) => column(this.told, quantity, row, k)).filter((value) => value !== null);
      if (!values.length) return "–";
      const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
      return `${number(low, DIGITS[quantity])} … ${number(high, DIGITS[quantity])}`;
    },

    // ── how it is built, what the reader does ─────────────────────────────────────────────────────────────

    build() {
      const bar = make("div", "bar", this.$el);
      const tools = new Tools(bar, this.texts);
      this.button = tools.button("play", "play_arrow", () => this.play(!this.playing));
      const speeds = tools.choice("speed", "span speed", SPEEDS.map((each) => [each, `× ${each}`]), (speed) => (this.speed = speed));
      speeds.value = this.speed;
      tools.button("onset", "flag", () => this.told && this.go(this.told.onset - this.told.start));
      tools.button("closer", "zoom_in", () => this.zoom(0.5, this.at));
      tools.button("wider", "zoom_out", () => this.zoom(2, this.at));
      tools.button("whole", "fit_screen", () => this.look(0, this.length));
      this.moment = make("span", "moment", bar);
      this.note = make("span", "note", bar);
      this.body = make("div", "body", this.$el);
    },

    look(from, until) {
      if (!this.told?.rows) return;
      const span = Math.min(Math.max(until - from, SHORTEST), this.length);
      this.from = Math.min(Math.max(from, 0), this.length - span);
      this.until = this.from + span;
      this.base.ask();
      this.over.ask();
    },

    zoom(ratio, centre) {
      this.look(centre - (centre - this.from) * ratio, centre + (this.until - centre) * ratio);
    },

    time(x) {
      return this.from + ((x - LEFT) / (this.over.canvas.clientWidth - LEFT - 4)) * (this.until - this.from);
    },

    /** A click sets the cursor, or chooses a trace; who draws takes the cursor with him. */
    gestures() {
      const there = (act) => (...told) => this.told?.rows && act(...told);
      gestures(this.over.canvas, {
        move: there((dx) => {
          this.play(false);
          this.go(this.at + this.time(dx) - this.time(0));
        }),
        zoom: there(([x], ratio) => this.zoom(1 / ratio, this.time(x))),
        click: there(([x, y]) => {
          this.play(false);
          this.go(this.time(x));
          this.nearest(y);
        }),
        again: there(() => this.look(0, this.length)),
      });
    },

    /** The trace that was clicked, if one was. */
    nearest(y) {
      const height = this.over.canvas.clientHeight;
      const quantity = Math.max(0, Math.min(2, Math.floor(y / ((height - BOTTOM) / 3))));
      const apart = this.told.device.map((id, row) => {
        const value = column(this.told, quantity, row, this.index());
        return [value === null ? Infinity : Math.abs(this.ranges[quantity](value) - y), id];
      });
      const [least, id] = apart.reduce((a, b) => (b[0] < a[0] ? b : a), [8, null]);
      if (least < 8) this.$emit("pick", id);
    },
  },
};
