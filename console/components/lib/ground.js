// What maps draw below and beside their devices. `point(longitude, latitude)` gives pixels, `ink(name)` a colour of the page.
import { STATES, shape } from "syms-lib/states.js";
import { diverging } from "syms-lib/drawing.js";
import { ellipse } from "syms-lib/mapping.js";

/** {areas, ways, names}: see console/ground.py. */
export function drawGround(ctx, { areas, ways, names }, point, width, height, ink) {
  const trace = (way) => {
    way.forEach(([longitude, latitude], k) => {
      const [x, y] = point(longitude, latitude);
      k ? ctx.lineTo(x, y) : ctx.moveTo(x, y);
    });
  };
  ctx.beginPath();
  areas.forEach(trace);
  ctx.fillStyle = ink("panel-2");
  ctx.fill("evenodd");
  ways.forEach(trace);
  ctx.strokeStyle = ink("edge");
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.fillStyle = ink("ink-3");
  ctx.textAlign = "left";
  for (const [longitude, latitude, name] of names) {
    const [x, y] = point(longitude, latitude);
    if (x > 0 && x < width && y > 0 && y < height) ctx.fillText(name, x + 3, y - 3);
  }
}

/** Lines of the network: [[longitude, latitude, longitude, latitude], …]. */
export function drawLines(ctx, lines, point, ink) {
  ctx.strokeStyle = ink("ink-3");
  ctx.lineWidth = 1;
  ctx.globalAlpha = 0.7;
  ctx.beginPath();
  for (const [x1, y1, x2, y2] of lines) {
    ctx.moveTo(...point(x1, y1));
    ctx.lineTo(...point(x2, y2));
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** Regions of the schematic: [[x, y, w, h, name], …]. */
export function drawBoxes(ctx, boxes, { scale, x: left, y: top }, ink) {
  ctx.textAlign = "left";
  for (const [x, y, w, h, name] of boxes) {
    ctx.fillStyle = ink("panel-2");
    ctx.strokeStyle = ink("line");
    ctx.beginPath();
    ctx.roundRect(x * scale + left, y * scale + top, w * scale, h * scale, 4);
    ctx.fill();
    ctx.stroke();
    ctx.fillStyle = ink("ink-2");
    ctx.fillText(name, x * scale + left + 6, y * scale + top + 13);
  }
}

/** Where events were: [[longitude, latitude, major, minor [km], bearing [°], text], …]. */
export function drawFound(ctx, found, point, ink) {
  for (const [longitude, latitude, major, minor, bearing, text] of found) {
    ctx.strokeStyle = ctx.fillStyle = ink("alarm");
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    if (major) ellipse(longitude, latitude, major, minor, bearing).forEach((each) => ctx.lineTo(...point(...each)));
    ctx.globalAlpha = 0.12;
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.stroke();
    const [x, y] = point(longitude, latitude);
    ctx.beginPath();
    for (const [dx, dy] of [[7, 0], [0, 7]]) {
      ctx.moveTo(x - dx, y - dy);
      ctx.lineTo(x + dx, y + dy);
    }
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.font = "500 12px Roboto, sans-serif";
    halo(ctx, text, x + 9, y - 6, ink("alarm"), ink("panel"));
    ctx.font = "11px Roboto, sans-serif";
  }
}

/** Text that can be read on anything. */
export function halo(ctx, text, x, y, colour, behind) {
  ctx.lineWidth = 3;
  ctx.strokeStyle = behind;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}

/** The legend of colours: of states, or of values up to `scale` [mHz]. */
export function fillLegend(legend, { colouring, scale, dark, texts }, ink) {
  const key = `${colouring} ${scale} ${dark}`;
  if (legend.dataset.key === key) return;
  legend.dataset.key = key;
  legend.replaceChildren();
  const add = (tag, classes, text = "") => legend.appendChild(Object.assign(document.createElement(tag), { className: classes, textContent: text }));
  if (colouring === "state") {
    STATES.forEach((name, k) => {
      const mark = add("canvas", "mark");
      [mark.width, mark.height] = [14, 14];
      const ctx = mark.getContext("2d");
      ctx.fillStyle = ctx.strokeStyle = ink(name);
      ctx.lineWidth = 1.8;
      shape(ctx, k, 7, 7, 4.5);
      k === 1 ? ctx.stroke() : ctx.fill();
      add("span", "name", texts.states[k]);
    });
    return;
  }
  add("span", "figures", `−${scale}`);
  const stops = [-1, -0.5, 0, 0.5, 1].map((share) => `rgb(${diverging(share, dark)})`);
  add("span", "ramp").style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  add("span", "figures", `+${scale} mHz`);
  add("span", "name", texts[colouring]);
}
