// How states of devices are drawn.

/** In the order of `console.pulse.State`: names of colours of the page's style. */
export const STATES = ["ok", "none", "clock", "bad", "alarm"];

/** Each state has a shape, so that nobody needs to tell colours apart. */
export function shape(ctx, state, x, y, size) {
  if (state === 2) {
    ctx.moveTo(x, y - size - 1.5);
    ctx.lineTo(x + size + 1.5, y);
    ctx.lineTo(x, y + size + 1.5);
    ctx.lineTo(x - size - 1.5, y);
    ctx.closePath();
  } else if (state === 3) ctx.rect(x - size, y - size, 2 * size, 2 * size);
  else if (state === 4) {
    ctx.moveTo(x, y - size - 2);
    ctx.lineTo(x + size + 2, y + size);
    ctx.lineTo(x - size - 2, y + size);
    ctx.closePath();
  } else ctx.arc(x, y, size, 0, 2 * Math.PI);
}
