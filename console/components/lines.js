// Lines of text that go on at the end: a log, or what a command says.
import { h } from "vue";

const LEVELS = [[/\b(error|critical)\b|Traceback|"level": ?"(error|critical)"/i, "error"], [/\bwarning\b|"level": ?"warning"/i, "warning"]];

export default {
  props: { most: Number },
  render() {
    return h("pre", { class: "syms-lines figures", tabindex: 0 });
  },
  methods: {
    /** These instead of what was there. */
    set_lines(lines) {
      this.$el.replaceChildren();
      this.append(lines);
      this.$el.scrollTop = this.$el.scrollHeight;
    },

    /** Behind what is there; who looks at the end goes on looking at it. */
    append(lines) {
      const box = this.$el;
      const at_end = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
      for (const text of lines) {
        const made = Object.assign(document.createElement("div"), { textContent: text || " " });
        const level = LEVELS.find(([pattern]) => pattern.test(text));
        if (level) made.className = level[1];
        box.append(made);
      }
      while (box.childElementCount > this.most) box.firstChild.remove();
      if (at_end) box.scrollTop = box.scrollHeight;
    },
  },
};
