// Traces over time: live and from the archive, one pane for each unit, all with the same time axis and cursor.
import { h } from "vue";
import { gestures, uPlot, Trace, Tools, aligned, steady, clock, day, number, make } from "syms-lib";
import { csv, picture, save, paneOptions, range, instants, pictured, tabled } from "syms-lib";

const FRAME = 50; // ms between two pictures at least
const LAG = 350; // ms that the live edge is behind what has come, so that it moves evenly
const LEAST = { Hz: 0.004, "Hz/s": 0.02, "°": 0.2, mHz: 2 };
const SPANS = [10, 30, 60, 120, 600, 3600, 21600, 86400];
const SHORTEST = 200; // ms
const PANES = 4;

export default {
  props: { texts: Object, span: Number, local: Boolean, files: Boolean, title: String, height: Number },
  emits: ["view", "remove"],
  render() {
    return h("div", { class: "syms-trend" });
  },
  mounted() {
    Object.assign(this, { made: [], panes: [], marks: [], live: true, length: (this.span || 60) * 1000, newest: NaN, offset: NaN });
    this.build();
    this.resizes = new ResizeObserver(() => this.layout());
    this.resizes.observe(this.body);
    this.themes = new MutationObserver(() => this.arrange());
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    const step = (now) => {
      this.frame = requestAnimationFrame(step);
      if (this.due(now)) this.draw(now);
    };
    this.frame = requestAnimationFrame(step);
  },
  beforeUnmount() {
    cancelAnimationFrame(this.frame);
    this.resizes.disconnect();
    this.themes.disconnect();
    for (const pane of this.panes) pane.plot.destroy();
  },
  methods: {
    // ── what the server says ──────────────────────────────────────────────────────────────────────────────

    /** [{id, label, unit, colour, digits}]; those that stay keep what they have. */
    set_traces(wanted) {
      const before = new Map(this.made.map((each) => [each.id, each]));
      this.made = wanted.map((each) => ({ ...each, data: before.get(each.id)?.data ?? new Trace() }));
      this.arrange();
    },

    /** [[id, time of the first value [ms UTC], step [ms], values], …] that are newer than those before. */
    append(blocks) {
      for (const [id, start, step, values] of blocks) this.find(id)?.data.append(start, step, values);
      const newest = Math.max(...this.made.map((each) => each.data.last).filter(Number.isFinite), -Infinity);
      if (!Number.isFinite(newest) || newest === this.newest) return;
      const offset = newest - performance.now();
      const apart = offset - this.offset;
      this.offset = Math.abs(apart) < 2000 ? this.offset + 0.1 * apart : offset;
      this.newest = newest;
      this.stale = true;
    },

    /** What was held or archived of [from, until): [[id, times, values, lows, highs], …]; nothing else is known of it. */
    past(from, until, blocks) {
      for (const [id, ...arrays] of blocks) this.find(id)?.data.remember(from, until, ...arrays);
      this.busy(false);
      this.stale = true;
    },

    /** Instants with a label: [[ms, text], …]. */
    mark(marks) {
      this.marks = marks;
      this.stale = true;
    },

    /** A moment [ms] where a cursor stands that is not the mouse's (replay); null: none. */
    point(at) {
      this.pointed = at;
      this.stale = true;
    },

    clear() {
      for (const each of this.made) each.data.clear();
      this.newest = this.offset = NaN;
      this.stale = true;
    },

    /** Show [from, until] ms and stay there. */
    show(from, until) {
      this.live = false;
      [this.from, this.until] = [from, until];
      this.changed();
    },

    go_live(seconds) {
      if (seconds) this.length = seconds * 1000;
      this.live = true;
      this.changed();
    },

    busy(is) {
      this.root.classList.toggle("busy", is);
    },

    tell(text) {
      this.note.textContent = text ?? "";
    },

    // ── what is drawn ─────────────────────────────────────────────────────────────────────────────────────

    find(id) {
      return this.made.find((each) => each.id === id);
    },

    window(now) {
      if (!this.live) return [this.from, this.until];
      const edge = Number.isFinite(this.offset) ? now + this.offset - LAG : Date.now();
      return [edge - this.length, edge];
    },

    /** Whether there is something new to see: a pixel that moved, or data. */
    due(now) {
      if (now - (this.drawn ?? 0) < FRAME || document.hidden || !this.panes.length) return false;
      const pixel = this.length / Math.max(200, this.body.clientWidth);
      return this.stale || (this.live && now - this.drawn >= pixel);
    },

    draw(now) {
      this.drawn = now;
      this.stale = false;
      const [from, until] = this.window(now);
      this.seen = [from, until];
      for (const pane of this.panes) {
        const columns = Math.max(100, Math.floor(pane.plot.bbox.width / (window.devicePixelRatio || 1)));
        pane.found = aligned(pane.traces.map((each) => each.data), from, until, columns);
        const { time, traces, banded } = pane.found;
        const none = new Array(time.length).fill(null);
        const data = traces.flatMap(({ value, low, high }) => [value, banded ? high : none, banded ? low : none]);
        pane.plot.batch(() => {
          pane.plot.setData([time, ...data], false);
          pane.plot.setScale("x", { min: from, max: until });
          const seen = range(pane.found, from, until);
          pane.range = steady(pane.range, ...seen, LEAST[pane.unit] ?? Math.abs(seen[1] ?? 0) * 2e-4);
          pane.plot.setScale("y", { min: pane.range[0], max: pane.range[1] });
        });
        this.legend(pane);
      }
    },

    /** Values at the cursor, or the newest ones. */
    legend(pane) {
      const at = pane.plot.cursor.idx;
      const over = pane.plot.cursor.left >= 0 && at != null;
      pane.traces.forEach((each, k) => {
        const column = pane.found.traces[k]?.value;
        let value = each.data.newest;
        if (over || !this.live) {
          value = null;
          for (let place = over ? at : (column?.length ?? 0) - 1; place >= 0 && value == null; place--) {
            value = column[place];
            if (value === null) break;
          }
        }
        const text = number(value, each.digits);
        if (each.shown.textContent !== text) each.shown.textContent = text;
      });
      if (over) this.moment.textContent = `${day(pane.found.time[at], this.local)} ${clock(pane.found.time[at], this.local, 3)}`;
      else if (this.panes.every((each) => !(each.plot.cursor.left >= 0))) this.moment.textContent = "";
    },

    // ── how it is built ───────────────────────────────────────────────────────────────────────────────────

    build() {
      this.root = this.$el;
      const bar = make("div", "bar", this.root);
      const tools = new Tools(bar, this.texts);
      this.pause = tools.button("pause", "pause", () => (this.live ? this.show(...this.window(performance.now())) : this.go_live()));
      const named = (seconds) => (seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`);
      this.spans = tools.choice("span", "span", SPANS.map((each) => [each, named(each)]), (seconds) => this.go_live(seconds));
      tools.button("earlier", "chevron_left", () => this.shift(-0.5));
      tools.button("later", "chevron_right", () => this.shift(0.5));
      tools.button("closer", "zoom_in", () => this.zoom(0.5));
      tools.button("wider", "zoom_out", () => this.zoom(2));
      tools.button("picture", "photo_camera", () => this.picture());
      if (this.files) tools.button("csv", "download", () => this.csv());
      this.moment = make("span", "moment", bar);
      this.note = make("span", "note", bar);
      this.body = make("div", "body", this.root);
      this.states();
    },

    colour(name) {
      return getComputedStyle(this.root).getPropertyValue(name).trim();
    },

    /** One pane for each unit, in the order in which they come. */
    arrange() {
      for (const pane of this.panes) pane.plot.destroy();
      this.body.replaceChildren();
      const units = [...new Set(this.made.map((each) => each.unit))].slice(0, PANES);
      this.panes = units.map((unit, k) => this.pane(unit, k === units.length - 1));
      this.body.classList.toggle("empty", !units.length);
      if (!units.length) make("div", "hint", this.body, this.texts.empty ?? "");
      this.layout();
    },

    pane(unit, last) {
      const traces = this.made.filter((each) => each.unit === unit);
      const box = make("div", "pane", this.body);
      const legend = make("div", "legend", box);
      make("span", "unit", legend, unit);
      for (const each of traces) {
        const chip = make("span", "chip", legend);
        make("i", "line", chip).style.background = each.colour;
        make("span", "name", chip, each.label);
        each.shown = make("b", "value", chip, "–");
        chip.title = `${each.label} — ${this.texts.remove ?? ""}`;
        chip.onclick = () => this.$emit("remove", each.id);
      }
      const pane = { unit, traces, box, legend, range: null, found: { time: [], traces: [] } };
      pane.plot = new uPlot(this.options(pane, last), [[], ...traces.flatMap(() => [[], [], []])], box);
      this.gestures(pane);
      return pane;
    },

    options(pane, last) {
      return paneOptions(pane.traces, {
        id: `trend-${this.$el.id}`, last, local: this.local, line: this.colour("--line"), ink: this.colour("--ink-2"),
        drawn: (plot) => instants(plot, this.lines(), pane === this.panes[0]),
        pointed: () => this.panes.includes(pane) && this.legend(pane),
      });
    },

    lines() {
      const lines = this.marks.map(([at, text]) => [at, text, this.colour("--alarm")]);
      if (this.pointed != null) lines.push([this.pointed, "", this.colour("--ink-1")]);
      return lines;
    },

    layout() {
      const width = this.body.clientWidth;
      const count = this.panes.length;
      if (!width || !count) return;
      const legends = this.panes.reduce((sum, pane) => sum + pane.legend.offsetHeight, 0);
      const each = Math.max(34, (this.body.clientHeight - legends - 22) / count);
      this.panes.forEach((pane, k) => pane.plot.setSize({ width, height: Math.floor(each + (k === count - 1 ? 22 : 0)) }));
      this.stale = true;
    },

    // ── what the reader does ──────────────────────────────────────────────────────────────────────────────

    gestures(pane) {
      const over = pane.plot.over;
      const perPixel = () => {
        const [from, until] = this.window(performance.now());
        return (until - from) / over.clientWidth;
      };
      gestures(over, {
        move: (dx) => {
          const [from, until] = this.window(performance.now());
          const moved = (dx * (until - from)) / over.clientWidth;
          this.show(from - moved, until - moved);
        },
        zoom: ([x], ratio) => this.around(this.window(performance.now())[0] + x * perPixel(), 1 / ratio),
        again: () => this.go_live(),
      });
    },

    around(centre, ratio) {
      const [from, until] = this.window(performance.now());
      const wanted = (until - from) * ratio;
      if (wanted < SHORTEST || wanted > 8 * 86400000) return;
      this.show(centre - (centre - from) * ratio, centre + (until - centre) * ratio);
    },

    zoom(ratio) {
      const [from, until] = this.window(performance.now());
      this.around((from + until) / 2, ratio);
    },

    shift(share) {
      const [from, until] = this.window(performance.now());
      this.show(from + share * (until - from), until + share * (until - from));
    },

    /** Another stretch is shown: the server may have more of it. */
    changed() {
      this.stale = true;
      this.states();
      clearTimeout(this.asking);
      this.asking = setTimeout(() => {
        const [from, until] = this.window(performance.now());
        this.$emit("view", { live: this.live, from, until, columns: Math.round(this.body.clientWidth), span: this.length / 1000 });
      }, 200);
    },

    states() {
      this.pause.classList.toggle("on", !this.live);
      this.pause.firstChild.textContent = this.live ? "pause" : "play_arrow";
      this.pause.title = this.texts[this.live ? "pause" : "live"] ?? "";
      this.pause.setAttribute("aria-label", this.pause.title);
      this.spans.value = SPANS.includes(this.length / 1000) ? this.length / 1000 : "";
      this.root.classList.toggle("paused", !this.live);
    },

    name(suffix) {
      return `${(this.title || "trend").replaceAll(/[^\p{L}\p{N}]+/gu, "_")}_${new Date(this.seen[0]).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z.${suffix}`;
    },

    async picture() {
      if (!this.panes.length) return;
      const [from, until] = this.seen;
      const title = `${this.title ?? ""}  ${day(from, this.local)} ${clock(from, this.local, 1)} – ${clock(until, this.local, 1)} ${this.local ? "" : "UTC"}`;
      save(this.name("png"), await picture(pictured(this.panes), title, this.colour("--panel"), this.colour("--ink-1")));
    },

    csv() {
      if (!this.panes.length) return;
      save(this.name("csv"), new Blob([csv(tabled(this.panes))], { type: "text/csv" }));
    },
  },
};
