// The clock of the frame: the time, and how old the newest data are. Keeps what the reader chose in cookies.
import { h } from "vue";
import { clock, day } from "syms-lib";

export default {
  props: { texts: Object, local: Boolean },
  render() {
    return h("div", { class: "syms-clock" });
  },
  mounted() {
    const make = (classes) => {
      const made = Object.assign(document.createElement("span"), { className: classes });
      this.$el.append(made);
      return made;
    };
    [this.date, this.time, this.age] = [make("date figures"), make("time figures"), make("age figures")];
    this.told = null;
    this.timer = setInterval(() => this.draw(), 250);
    this.draw();
  },
  beforeUnmount() {
    clearInterval(this.timer);
  },
  methods: {
    /** The server's time and that of its newest data [ms UTC; 0: none]. */
    tell(now, newest) {
      this.told = { now, newest, at: performance.now() };
      this.draw();
    },

    draw() {
      const told = this.told;
      const since = told ? performance.now() - told.at : 0;
      const now = told ? told.now + since : Date.now();
      this.date.textContent = day(now, this.local);
      this.time.textContent = `${clock(now, this.local)} ${this.local ? "" : "UTC"}`;
      if (!told) return;
      const age = told.newest ? (told.now - told.newest + Math.max(0, since - 1500)) / 1000 : Infinity;
      this.age.classList.toggle("old", age > 5);
      this.age.textContent = told.newest ? `${this.texts.age} ${words(age)}` : this.texts.none;
    },

    /** A choice of the reader, for a year; pages read it when they are made. */
    remember(name, value, reload) {
      document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=strict`;
      if (reload) window.location.reload();
    },
  },
};

function words(seconds) {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
