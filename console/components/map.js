// The site from above: devices where they are or grouped by region, coloured by what they say.
import { h } from "vue";
import {
  STATES, Sheet, gestures, shape, tone, diverging, round, projection, fitted, extent, between, number,
  drawGround, drawLines, drawBoxes, drawFound, fillLegend, halo,
} from "syms-lib";

const CELL = 12; // px of the field between devices
const NEAR = 14; // px in which a pointer means a device
const FOOT = 26; // px below that the legend takes
const LABELS = 60; // devices in sight of which names are written

export default {
  props: { texts: Object, colouring: String, schematic: Boolean },
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-map" });
  },
  mounted() {
    Object.assign(this, { devices: [], boxes: [], ground: null, found: [], states: "", values: [], scale: 20, at: {}, picked: null });
    const make = (classes) => this.$el.appendChild(Object.assign(document.createElement("div"), { className: classes }));
    this.sheet = new Sheet(make("sheet"), (ctx, width, height) => this.draw(ctx, width, height));
    [this.legend, this.tip] = [make("legend"), make("tip")];
    this.tip.hidden = true;
    this.$watch("colouring", () => this.sheet.ask());
    this.$watch("schematic", () => this.sheet.ask());
    this.gestures();
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** {areas, ways, lines, names}: see console/ground.py. */
    set_ground(ground) {
      this.ground = ground;
      this.at = {};
      this.sheet.ask();
    },

    /** [[id, name, region, longitude or null, latitude or null, x, y (schematic), nominal], …] and boxes [[x, y, w, h, name], …]. */
    set_devices(devices, boxes) {
      this.devices = devices.map(([id, name, region, longitude, latitude, x, y, nominal]) => ({ id, name, region, longitude, latitude, x, y, nominal }));
      this.boxes = boxes;
      const placed = this.devices.filter((each) => each.longitude !== null);
      const middle = placed.reduce((sum, each) => sum + each.latitude, 0) / Math.max(1, placed.length);
      this.plane = projection(middle);
      this.at = {};
      this.sheet.ask();
    },

    /** A digit for each device's state, deviations [mHz] (null: none), and that of the centre. */
    tell(states, values, centre) {
      [this.states, this.values, this.centre] = [states, values, centre ?? 0];
      this.sheet.ask();
    },

    /** Where events were: [[longitude, latitude, major, minor [km], bearing [°], text], …]. */
    locate(found) {
      this.found = found;
      this.sheet.ask();
    },

    pick(id) {
      this.picked = id;
      this.sheet.ask();
    },

    /** The scale [mHz] stays this one. */
    hold(scale) {
      this.held = this.scale = scale;
    },

    fit() {
      this.at = {};
      this.sheet.ask();
    },

    // ── where things are ──────────────────────────────────────────────────────────────────────────────────

    place(device) {
      if (this.schematic) return [device.x, device.y];
      return device.longitude === null ? null : [this.plane.x(device.longitude), this.plane.y(device.latitude)];
    },

    point(longitude, latitude) {
      return [this.plane.x(longitude) * this.view.scale + this.view.x, this.plane.y(latitude) * this.view.scale + this.view.y];
    },

    look(width, height) {
      const key = this.schematic ? "schematic" : "map";
      if (!this.at[key]) {
        const points = this.devices.map((each) => this.place(each)).filter(Boolean);
        const corners = this.schematic ? this.boxes.flatMap(([x, y, w, h]) => [[x, y], [x + w, y + h]]) : [];
        const box = extent([...points, ...corners]);
        if (!box) return false;
        const slack = this.schematic ? 0 : Math.max(0.05, 0.08 * (box[2] - box[0]));
        this.at[key] = fitted([box[0] - slack, box[1] - slack, box[2] + slack, box[3] + slack], width, height - FOOT, 14);
      }
      this.view = this.at[key];
      return true;
    },

    // ── what is drawn ─────────────────────────────────────────────────────────────────────────────────────

    draw(ctx, width, height) {
      if (!this.devices.length || !this.look(width, height)) {
        ctx.fillStyle = tone(this.$el, "ink-3");
        ctx.textAlign = "center";
        ctx.fillText(this.texts.empty, width / 2, height / 2);
        return;
      }
      this.dark = document.body.classList.contains("body--dark");
      this.dots = this.devices.map((each, k) => {
        const place = this.place(each);
        return place && { k, x: place[0] * this.view.scale + this.view.x, y: place[1] * this.view.scale + this.view.y };
      }).filter(Boolean);
      const ink = (name) => tone(this.$el, name);
      const point = (longitude, latitude) => this.point(longitude, latitude);
      if (this.schematic) drawBoxes(ctx, this.boxes, this.view, ink);
      else if (this.ground) drawGround(ctx, this.ground, point, width, height, ink);
      this.rescale();
      if (this.colouring !== "state" && !this.schematic) this.drawField(ctx, width, height);
      if (!this.schematic && this.ground) drawLines(ctx, this.ground.lines, point, ink);
      if (!this.schematic) drawFound(ctx, this.found, point, ink);
      this.drawDots(ctx, width, height);
      fillLegend(this.legend, this, ink);
    },

    shown(k) {
      const value = this.values[k];
      return value == null ? null : this.colouring === "relative" ? value - this.centre : value;
    },

    /** The scale goes up at once, and down when it is much too wide. */
    rescale() {
      if (this.held) return;
      const most = Math.max(0, ...this.values.map((_, k) => Math.abs(this.shown(k) ?? 0)));
      const wanted = Math.max(5, round(most || 5));
      if (wanted > this.scale || wanted * 3 < this.scale) this.scale = wanted;
    },

    drawField(ctx, width, height) {
      const devices = this.dots.map(({ k, x, y }) => ({ x, y, value: this.shown(k) })).filter((each) => each.value !== null);
      if (devices.length < 3) return;
      const { across, down, found } = between(devices, width, height, CELL, 0.3 * Math.max(width, height));
      const image = new ImageData(across, down);
      for (let k = 0; k < across * down; k++) {
        const [red, green, blue] = diverging(found[2 * k] / this.scale, this.dark);
        image.data.set([red, green, blue, 150 * found[2 * k + 1]], 4 * k);
      }
      this.field ??= document.createElement("canvas");
      this.field.width = across;
      this.field.height = down;
      this.field.getContext("2d").putImageData(image, 0, 0);
      ctx.imageSmoothingEnabled = true;
      ctx.drawImage(this.field, 0, 0, across * CELL, down * CELL);
    },

    drawDots(ctx, width, height) {
      const size = this.devices.length > 150 ? 4 : 5.5;
      const colours = STATES.map((name) => tone(this.$el, name));
      const rim = tone(this.$el, "panel");
      const seen = this.dots.filter(({ x, y }) => x > -9 && y > -9 && x < width + 9 && y < height + 9);
      for (const { k, x, y } of [...seen].sort((a, b) => (this.states[a.k] ?? 1) - (this.states[b.k] ?? 1))) {
        const state = Number(this.states[k] ?? 1);
        const value = this.shown(k);
        const byState = this.colouring === "state" || value === null;
        ctx.fillStyle = byState ? colours[value === null && state !== 1 && this.colouring !== "state" ? 1 : state] : `rgb(${diverging(value / this.scale, this.dark)})`;
        ctx.lineWidth = 1.2;
        ctx.strokeStyle = byState ? rim : tone(this.$el, "ink-2");
        ctx.beginPath();
        shape(ctx, state, x, y, size);
        if (state === 1) {
          ctx.strokeStyle = colours[1];
          ctx.lineWidth = 1.8;
          ctx.stroke();
        } else {
          ctx.fill();
          ctx.stroke();
        }
        if (this.devices[k].id === this.picked) {
          ctx.strokeStyle = tone(this.$el, "accent");
          ctx.lineWidth = 2.2;
          ctx.beginPath();
          ctx.arc(x, y, size + 4, 0, 7);
          ctx.stroke();
        }
      }
      if (seen.length <= LABELS) this.drawNames(ctx, seen, size);
    },

    /** Names that do not lie over others. */
    drawNames(ctx, seen, size) {
      const taken = seen.map(({ x, y }) => [x - size, y - size, x + size, y + size]);
      ctx.textAlign = "left";
      for (const { k, x, y } of seen) {
        const name = this.devices[k].name;
        const width = ctx.measureText(name).width;
        const box = [x + size + 3, y - 6, x + size + 3 + width, y + 6];
        if (taken.some((each) => each[0] < box[2] && box[0] < each[2] && each[1] < box[3] && box[1] < each[3])) continue;
        taken.push(box);
        halo(ctx, name, box[0], y + 4, tone(this.$el, "ink-2"), tone(this.$el, "panel"));
      }
    },

    // ── what the reader does ──────────────────────────────────────────────────────────────────────────────

    gestures() {
      gestures(this.sheet.canvas, {
        move: (dx, dy) => this.move(dx, dy),
        zoom: (at, ratio) => this.zoom(at, ratio),
        hover: (at) => this.hover(at),
        leave: () => (this.tip.hidden = true),
        again: () => this.fit(),
        click: (at) => {
          const hit = this.nearest(at);
          if (hit) this.$emit("pick", this.devices[hit.k].id);
          this.hover(at);
        },
      });
    },

    nearest([x, y]) {
      let best = null;
      let least = NEAR;
      for (const dot of this.dots ?? []) {
        const apart = Math.hypot(dot.x - x, dot.y - y);
        if (apart < least) [least, best] = [apart, dot];
      }
      return best;
    },

    hover(now) {
      const hit = this.nearest(now);
      this.tip.hidden = !hit;
      this.sheet.canvas.style.cursor = hit ? "pointer" : "grab";
      if (!hit) return;
      const { name, region, nominal } = this.devices[hit.k];
      const value = this.values[hit.k];
      const lines = [name + (region ? ` · ${region}` : ""), this.texts.states[Number(this.states[hit.k] ?? 1)]];
      if (value != null) lines.push(`${number(nominal + value / 1000, 4)} Hz   ${value > 0 ? "+" : ""}${number(value, 1)} mHz`);
      this.tip.textContent = lines.join("\n");
      const left = hit.x > this.$el.clientWidth - 190;
      Object.assign(this.tip.style, { left: `${hit.x + (left ? -14 : 14)}px`, top: `${Math.max(4, hit.y - 22)}px`, transform: left ? "translateX(-100%)" : "" });
    },

    move(dx, dy) {
      this.view.x += dx;
      this.view.y += dy;
      this.tip.hidden = true;
      this.sheet.ask();
    },

    zoom([x, y], ratio) {
      if (!this.view) return;
      this.view.x = x - (x - this.view.x) * ratio;
      this.view.y = y - (y - this.view.y) * ratio;
      this.view.scale *= ratio;
      this.tip.hidden = true;
      this.sheet.ask();
    },
  },
};
