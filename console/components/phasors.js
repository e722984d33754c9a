// Phasors of a device: voltages and currents by size and angle, with their values.
import { h } from "vue";
import { Sheet, tone, number, round } from "syms-lib";

const PHASES = ["#d0a400", "#2f9e58", "#d0453a"]; // yellow, green, red of A, B, C (GB 7947, and common use)
const OTHERS = ["#3987e5", "#8a6fd1", "#3aa6b9", "#c2528b"];
const CURRENT = 0.62; // of the radius that voltages take

export default {
  render() {
    return h("div", { class: "syms-phasors" });
  },
  mounted() {
    const make = (classes) => this.$el.appendChild(Object.assign(document.createElement("div"), { className: classes }));
    this.phasors = [];
    this.sheet = new Sheet(make("sheet"), (ctx, width, height) => this.draw(ctx, width, height));
    this.list = make("list");
  },
  beforeUnmount() {
    this.sheet.close();
  },
  methods: {
    /** [[name, unit], …] */
    set_names(names) {
      this.phasors = names.map(([name, unit], k) => ({ name, unit, colour: colour(name, k), size: null, angle: null }));
      this.list.replaceChildren();
      for (const each of this.phasors) {
        const row = this.list.appendChild(Object.assign(document.createElement("div"), { className: "row" }));
        const put = (classes, text = "") => row.appendChild(Object.assign(document.createElement("span"), { className: classes, textContent: text }));
        put("dot").style.background = each.colour;
        put("name", each.name);
        [each.sizeText, each.angleText] = [put("figures"), put("figures")];
      }
      this.sheet.ask();
    },

    /** Sizes and angles [degrees] in the order of the names; null: none. */
    tell(sizes, angles) {
      this.phasors.forEach((each, k) => {
        [each.size, each.angle] = [sizes[k], angles[k]];
        each.sizeText.textContent = `${number(each.size)} ${each.unit}`;
        each.angleText.textContent = each.angle === null ? "–" : `${number(each.angle, 1)}°`;
      });
      this.sheet.ask();
    },

    draw(ctx, width, height) {
      const radius = Math.min(width, height) / 2 - 16;
      if (radius < 20) return;
      const [x, y] = [width / 2, height / 2];
      ctx.strokeStyle = tone(this.$el, "line");
      ctx.lineWidth = 1;
      for (const share of [1, CURRENT]) {
        ctx.beginPath();
        ctx.arc(x, y, radius * share, 0, 7);
        ctx.stroke();
      }
      ctx.fillStyle = tone(this.$el, "ink-3");
      ctx.textAlign = "center";
      for (let degrees = 0; degrees < 360; degrees += 30) {
        const turn = (degrees * Math.PI) / 180;
        const [dx, dy] = [Math.cos(turn), -Math.sin(turn)];
        ctx.beginPath();
        ctx.moveTo(x + dx * radius * 0.08, y + dy * radius * 0.08);
        ctx.lineTo(x + dx * radius, y + dy * radius);
        ctx.stroke();
        if (degrees % 90 === 0) ctx.fillText(`${degrees > 180 ? degrees - 360 : degrees}°`, x + dx * (radius + 11), y + dy * (radius + 9) + 4);
      }
      for (const unit of ["kV", "A"]) {
        const mine = this.phasors.filter((each) => each.unit === unit && each.size !== null && each.angle !== null);
        const full = round(Math.max(...mine.map((each) => each.size), 1e-9));
        for (const each of mine) this.arrow(ctx, x, y, (each.size / full) * radius * (unit === "kV" ? 1 : CURRENT), each, unit === "A");
      }
    },

    arrow(ctx, x, y, length, { angle, colour, name }, current) {
      const turn = (angle * Math.PI) / 180;
      const [dx, dy] = [Math.cos(turn), -Math.sin(turn)];
      const [tipX, tipY] = [x + dx * length, y + dy * length];
      ctx.strokeStyle = ctx.fillStyle = colour;
      ctx.lineWidth = current ? 1.6 : 2.4;
      ctx.setLineDash(current ? [5, 3] : []);
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(tipX, tipY);
      ctx.stroke();
      ctx.setLineDash([]);
      if (length > 8) {
        ctx.beginPath();
        ctx.moveTo(tipX + dx * 3, tipY + dy * 3);
        ctx.lineTo(tipX - dx * 7 - dy * 4, tipY - dy * 7 + dx * 4);
        ctx.lineTo(tipX - dx * 7 + dy * 4, tipY - dy * 7 - dx * 4);
        ctx.fill();
      }
      ctx.fillStyle = tone(this.$el, "ink-1");
      ctx.fillText(name, tipX - dx * 4 - dy * 13, tipY - dy * 4 + dx * 13 + 4);
    },
  },
};

function colour(name, k) {
  const found = /([ABC])\d*$/i.exec(name) ?? /[VUI]([ABC])/i.exec(name);
  return found ? PHASES["ABC".indexOf(found[1].toUpperCase())] : OTHERS[k % OTHERS.length];
}
