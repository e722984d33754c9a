// The pipeline: nodes as boxes in the order of data, ways between them. Figures are told when they change.
import { h } from "vue";

const SVG = "http://www.w3.org/2000/svg";
const ARROW = 7;

export default {
  props: { texts: Object },
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-pipeline" });
  },
  mounted() {
    this.boxes = [];
    this.chosen = null;
  },
  methods: {
    /** {width, height, box: [w, h], nodes: [{name, title, kind, x, y}, …], ways: [{what, points, source, reader}, …]} */
    set_drawing(drawing) {
      const { width, height, box, nodes, ways } = drawing;
      const root = make("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMid meet" });
      root.style.maxWidth = `${width * 1.25}px`;
      root.style.minWidth = `${width * 0.8}px`; // smaller nobody can read it; it is moved sideways then
      this.lines = ways.map((way) => line(root, way));
      this.boxes = nodes.map((node) => this.box(root, node, box));
      this.$el.replaceChildren(root);
      this.names = nodes.map((node) => node.name);
      this.choose(this.chosen);
    },

    box(root, { name, title, kind, x, y }, [width, height]) {
      const group = make("g", { class: "node off", transform: `translate(${x} ${y})`, tabindex: 0, role: "button" }, root);
      group.dataset.node = name;
      make("rect", { class: "body", width, height, rx: 4 }, group);
      make("rect", { class: "side", width: 4, height, rx: 2 }, group);
      make("text", { class: "title", x: 12, y: 17 }, group).textContent = cut(title, 17);
      make("text", { class: "kind", x: 12, y: 31 }, group).textContent = kind;
      const lines = [47, 62, 76].map((at) => make("text", { class: "line", x: 12, y: at }, group));
      const badge = make("g", { class: "badge", transform: `translate(${width - 14} 14)` }, group);
      make("circle", { r: 8.5 }, badge);
      const count = make("text", { "text-anchor": "middle", y: 4 }, badge);
      const more = make("title", {}, group);
      more.textContent = title;
      const pick = () => this.$emit("pick", name);
      group.onclick = pick;
      group.onkeydown = (event) => (event.key === "Enter" || event.key === " ") && pick();
      return { group, lines, badge, count };
    },

    /** [[place, state, [text, text, text], number of alarms], …] of the nodes that changed. */
    tell(changes) {
      for (const [at, state, lines, alarms] of changes) {
        const box = this.boxes[at];
        if (!box) continue;
        box.group.setAttribute("class", `node ${state}${this.names[at] === this.chosen ? " chosen" : ""}`);
        lines.forEach((text, k) => (box.lines[k].textContent = text));
        box.badge.style.display = alarms ? "" : "none";
        box.count.textContent = alarms > 99 ? "99" : alarms;
      }
    },

    /** The node that is looked at. */
    choose(name) {
      this.chosen = name;
      this.boxes.forEach((box, at) => box.group.classList.toggle("chosen", this.names[at] === name));
      for (const { path, way } of this.lines || []) path.classList.toggle("chosen", way.source === name || way.reader === name);
    },
  },
};

function make(tag, attributes, parent = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (parent) parent.append(made);
  return made;
}

/** A curve through the points of a way, level at each of them. */
function line(root, way) {
  const [[x0, y0], ...rest] = way.points;
  let [d, x, y] = [`M${x0} ${y0}`, x0, y0];
  rest.forEach(([to, at], k) => {
    const end = k === rest.length - 1 ? to - ARROW : to;
    const middle = (x + end) / 2;
    d += at === y ? `L${end} ${at}` : `C${middle} ${y} ${middle} ${at} ${end} ${at}`;
    [x, y] = [end, at];
  });
  const group = make("g", { class: "way" }, root);
  const path = make("path", { d, class: "stroke" }, group);
  make("path", { class: "head", d: `M${x + ARROW} ${y}l${-ARROW} -3.5v7z` }, group);
  make("title", {}, group).textContent = `${way.source} → ${way.reader}: ${way.what}`;
  return { path: group, way };
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
