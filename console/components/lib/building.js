// Elements of a component, made where they belong.

export function make(tag, classes, parent, text = "") {
  return parent.appendChild(Object.assign(document.createElement(tag), { className: classes, textContent: text }));
}

/** What a bar above a drawing offers; `texts` says by name what each is for. */
export class Tools {
  constructor(bar, texts) {
    Object.assign(this, { bar, texts });
  }

  button(name, icon, act) {
    const made = make("button", `tool ${name}`, this.bar);
    Object.assign(made, { type: "button", title: this.texts[name] ?? name, onclick: act });
    made.setAttribute("aria-label", made.title);
    make("i", "q-icon notranslate material-icons", made, icon);
    return made;
  }

  /** One of some numbers: [[number, text], …]. */
  choice(name, classes, numbers, act) {
    const made = make("select", classes, this.bar);
    made.title = this.texts[name] ?? "";
    made.setAttribute("aria-label", made.title);
    for (const [value, text] of numbers) make("option", "", made, text).value = value;
    made.onchange = () => act(Number(made.value));
    return made;
  }
}
