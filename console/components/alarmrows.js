// Alarms, one line each; lines are chosen by a click.
import { h } from "vue";
import { day, clock, make } from "syms-lib";

export default {
  props: { columns: Array, local: Boolean },
  emits: ["choose"],
  render() {
    return h("div", { class: "syms-alarms syms-events" });
  },
  mounted() {
    Object.assign(this, { chosen: new Set(), rows: [] });
    const table = make("table", "", this.$el);
    const head = make("tr", "", make("thead", "", table));
    make("th", "box", head);
    for (const [name, text] of this.columns) make("th", name, head, text);
    this.body = make("tbody", "", table);
    this.hint = make("div", "syms-hint", this.$el);
  },
  methods: {
    /** [{id, severity, said, since [ms], state, stands, subject, link, text, count, comment}, …]; a text where there are none. */
    set_rows(rows, hint) {
      this.rows = rows;
      const there = new Set(rows.map((row) => row.id));
      const before = this.chosen.size;
      for (const id of [...this.chosen]) if (!there.has(id)) this.chosen.delete(id);
      this.body.replaceChildren(...rows.map((row) => this.line(row)));
      this.hint.textContent = hint;
      this.hint.hidden = !hint;
      if (before !== this.chosen.size) this.told();
    },

    choose(all) {
      this.chosen = new Set(all ? this.rows.map((row) => row.id) : []);
      for (const line of this.body.children) this.mark(line);
      this.told();
    },

    line(row) {
      const line = document.createElement("tr");
      line.className = `${row.severity} ${row.state}`;
      line.dataset.id = row.id;
      const box = make("input", "", make("td", "box", line));
      box.type = "checkbox";
      box.setAttribute("aria-label", row.text);
      make("td", "when figures", line, `${day(row.since, this.local)} ${clock(row.since, this.local)}`);
      const severity = make("td", "severity", line);
      make("i", "mark", severity);
      make("span", "", severity, row.said);
      make("td", "state", line, row.stands);
      const subject = make("td", "subject", line);
      const named = make(row.link ? "a" : "span", "", subject, row.subject);
      if (row.link) named.href = row.link;
      make("td", "place", line, row.text).title = row.text;
      make("td", "devices figures", line, String(row.count));
      make("td", "comment", line, row.comment).title = row.comment;
      line.onclick = (event) => {
        if (event.target.tagName === "A") return;
        this.chosen.has(row.id) ? this.chosen.delete(row.id) : this.chosen.add(row.id);
        this.mark(line);
        this.told();
      };
      this.mark(line);
      return line;
    },

    mark(line) {
      const is = this.chosen.has(line.dataset.id);
      line.classList.toggle("chosen", is);
      line.querySelector("input").checked = is;
    },

    told() {
      this.$emit("choose", [...this.chosen]);
    },
  },
};
