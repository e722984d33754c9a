// A table of many rows: only those in sight are in the page. Sorts and filters by itself; values are told when they change.
import { h } from "vue";

const ROW = 22;
const SPARE = 6;

export default {
  props: { texts: Object },
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-grid" });
  },
  mounted() {
    const make = (tag, classes, parent) => parent.appendChild(Object.assign(document.createElement(tag), { className: classes }));
    const bar = make("div", "bar", this.$el);
    this.input = make("input", "filter", bar);
    Object.assign(this.input, { type: "search", placeholder: this.texts.filter });
    this.input.oninput = () => this.arrange();
    const label = make("label", "only", bar);
    this.only = make("input", "", label);
    this.only.type = "checkbox";
    label.append(this.texts.only);
    this.only.onchange = () => this.arrange();
    this.note = make("span", "note figures", bar);
    this.pane = make("div", "pane", this.$el);
    const table = make("table", "", this.pane);
    this.head = make("tr", "", make("thead", "", table));
    this.body = make("tbody", "", table);
    this.pane.onscroll = () => this.ask();
    this.resizes = new ResizeObserver(() => this.ask());
    this.resizes.observe(this.pane);
    Object.assign(this, { columns: [], rows: [], values: [], order: [], sort: { at: -1, up: true }, lines: [] });
  },
  beforeUnmount() {
    this.resizes.disconnect();
  },
  methods: {
    /** columns: [{title, tip, digits, kind}, …] behind those of texts; rows: [[text, text, …], …]; captions of texts. */
    set_rows(captions, columns, rows) {
      const before = this.sort.at >= 0 ? (this.captions || []).concat(this.columns.map((each) => each.title))[this.sort.at] : null;
      Object.assign(this, { captions, columns, rows, marks: rows.map(() => "") });
      this.values = rows.map(() => new Array(columns.length).fill(null));
      const titles = captions.concat(columns.map((each) => each.title));
      this.sort.at = before === null ? -1 : titles.indexOf(before);
      this.head.replaceChildren(
        ...titles.map((title, at) => {
          const cell = Object.assign(document.createElement("th"), { textContent: title, className: at < captions.length ? "text" : "" });
          cell.title = at < captions.length ? title : columns[at - captions.length].tip;
          cell.onclick = () => this.sort_by(at);
          return cell;
        }),
      );
      this.arrange();
    },

    /** Values by row and column, and [row, text, whether it is a trouble] of what stands in the last column of texts. */
    tell(row, column, value, marks) {
      row.forEach((at, k) => (this.values[at][column[k]] = value[k]));
      for (const [at, text, trouble] of marks) {
        this.rows[at][this.captions.length - 1] = text;
        this.marks[at] = trouble ? "off" : "";
      }
      if (this.sort.at >= 0 || this.only.checked) this.arrange();
      else this.ask();
    },

    sort_by(at) {
      const first = at < this.captions.length;
      if (this.sort.at !== at) this.sort = { at, up: first };
      else if (this.sort.up === first) this.sort.up = !first;
      else this.sort = { at: -1, up: true };
      this.arrange();
    },

    arrange() {
      const wanted = this.input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const texts = this.rows.map((row) => row.join(" ").toLowerCase());
      const kept = this.rows.map((_, at) => at);
      this.order = kept.filter((at) => wanted.every((each) => texts[at].includes(each)) && (!this.only.checked || this.marks[at]));
      const { at, up } = this.sort;
      const sign = up ? 1 : -1;
      if (at >= this.captions.length) {
        const place = at - this.captions.length;
        const of = (row) => this.values[row][place];
        this.order.sort((a, b) => (of(a) === null) - (of(b) === null) || sign * (of(a) - of(b)) || a - b);
      } else if (at >= 0) {
        this.order.sort((a, b) => sign * this.rows[a][at].localeCompare(this.rows[b][at], undefined, { numeric: true }) || a - b);
      }
      [...this.head.children].forEach((cell, k) => {
        cell.classList.toggle("up", k === at && up);
        cell.classList.toggle("down", k === at && !up);
      });
      this.note.textContent = `${this.order.length} / ${this.rows.length}`;
      this.ask();
    },

    ask() {
      if (this.asked) return;
      this.asked = requestAnimationFrame(() => {
        this.asked = null;
        this.draw();
      });
    },

    draw() {
      const first = Math.max(0, Math.floor(this.pane.scrollTop / ROW) - SPARE);
      const shown = this.order.slice(first, first + Math.ceil(this.pane.clientHeight / ROW) + 2 * SPARE);
      const width = this.captions ? this.captions.length + this.columns.length : 0;
      while (this.lines.length < shown.length + 2) this.lines.push(document.createElement("tr"));
      const space = (line, count) => {
        line.className = "space";
        line.style.height = `${count * ROW}px`;
        line.replaceChildren();
      };
      space(this.lines[0], first);
      space(this.lines[1], this.order.length - first - shown.length);
      shown.forEach((at, k) => this.fill(this.lines[k + 2], at, width));
      const wanted = [this.lines[0], ...this.lines.slice(2, shown.length + 2), this.lines[1]];
      if (wanted.length !== this.body.childElementCount) this.body.replaceChildren(...wanted);
    },

    fill(line, at, width) {
      while (line.childElementCount > width) line.lastChild.remove();
      while (line.childElementCount < width) line.append(document.createElement("td"));
      line.className = this.marks[at];
      line.onclick = () => this.$emit("pick", at);
      const texts = this.captions.length;
      [...line.children].forEach((cell, k) => {
        const column = this.columns[k - texts];
        const value = k < texts ? this.rows[at][k] : this.values[at][k - texts];
        const text = k < texts ? value : figure(value, column);
        const classes = k < texts ? "text" : column.fault && value > 0 ? "fault" : "";
        if (cell.textContent !== text) cell.textContent = text;
        if (cell.className !== classes) cell.className = classes;
      });
    },
  },
};

function figure(value, { digits, percent }) {
  if (value === null || value === undefined) return "";
  if (percent) return `${(Math.floor(value * 1e4) / 100).toFixed(2)} %`;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
