// A page of events, one line each; the line of an event leads to it.
import { h } from "vue";
import { day, clock, make, number } from "syms-lib";

export default {
  props: { columns: Array, local: Boolean, empty: String },
  emits: ["pick"],
  render() {
    return h("div", { class: "syms-events" });
  },
  mounted() {
    const table = make("table", "", this.$el);
    const head = make("tr", "", make("thead", "", table));
    for (const [name, text] of this.columns) make("th", name, head, text);
    this.body = make("tbody", "", table);
    this.hint = make("div", "syms-hint", this.$el);
    this.lines = new Map();
  },
  methods: {
    /** [{name, link, onset [ms], kind, group, sure, mhz, mw, place, devices, state, said}, …]; lines that stay are kept. */
    set_rows(rows, hint) {
      const before = this.lines;
      this.lines = new Map();
      rows.forEach((row, k) => {
        const key = JSON.stringify(row);
        const held = before.get(row.name);
        const line = held?.key === key ? held.line : this.line(row);
        if (held && held.line !== line) held.line.remove();
        if (!held && before.size && k < 5) line.classList.add("new");
        before.delete(row.name);
        this.lines.set(row.name, { key, line });
        if (this.body.children[k] !== line) this.body.insertBefore(line, this.body.children[k] ?? null);
      });
      for (const { line } of before.values()) line.remove();
      this.hint.textContent = hint;
      this.hint.hidden = !hint;
    },

    line(row) {
      const line = document.createElement("tr");
      line.className = `${row.group} ${row.state}`;
      line.dataset.name = row.name;
      const when = make("td", "when figures", line);
      const link = make("a", "", when, `${day(row.onset, this.local)} ${clock(row.onset, this.local, 2)}`);
      link.href = row.link;
      const kind = make("td", "kind", line);
      make("i", "mark", kind);
      make("span", "", kind, row.kind);
      const sure = make("td", "sure figures", line);
      if (row.sure !== null) {
        make("span", "share", sure).style.width = `${Math.round(row.sure * 36)}px`;
        make("span", "", sure, `${Math.round(row.sure * 100)} %`);
      }
      for (const name of ["mhz", "mw"]) make("td", "size figures", line, row[name] === null ? "" : (row[name] > 0 ? "+" : "") + number(row[name], 0).replace("-", "−"));
      const place = make("td", "place", line, row.place);
      place.title = row.place;
      make("td", "devices figures", line, String(row.devices));
      make("td", "state", line, row.said);
      line.onclick = (event) => {
        if (event.target !== link && !window.getSelection().toString()) link.click();
      };
      return line;
    },
  },
};
