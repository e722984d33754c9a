// A table of named values in sections; names are told once, values when they change.
import { h } from "vue";
import { make } from "syms-lib";

export default {
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-facts" });
  },
  mounted() {
    this.cells = [];
  },
  methods: {
    /** [{title, columns: [text, …], rows: [[name, id or null], …]}, …]: each row has as many values as there are columns. */
    set_rows(sections) {
      this.cells = [];
      this.$el.replaceChildren();
      for (const { title, columns, rows } of sections) {
        const table = make("table", "", this.$el);
        const head = make("tr", "head", make("thead", "", table));
        make("th", "title", head, title);
        for (const column of columns) make("th", "", head, column);
        const body = make("tbody", "", table);
        for (const [name, id] of rows) {
          const row = make("tr", "", body);
          make("td", "name", row, name);
          if (id !== null) {
            row.classList.add("link");
            row.onclick = () => this.$emit("pick", id);
          }
          for (const _ of columns) this.cells.push(make("td", "value", row));
        }
      }
    },

    /** A text for each value, in order; "!" before it means that it is not as it should be. */
    tell(values) {
      values.forEach((value, k) => {
        const cell = this.cells[k];
        if (!cell) return;
        const off = value.startsWith("!");
        const text = off ? value.slice(1) : value;
        if (cell.textContent !== text) cell.textContent = text;
        if (cell.classList.contains("off") !== off) cell.classList.toggle("off", off);
      });
    },
  },
};
