// Times as they are written: UTC, or as the browser's zone has it.

const two = (number) => String(number).padStart(2, "0");

function parts(time, local) {
  const at = new Date(time);
  return local
    ? [at.getFullYear(), at.getMonth(), at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds(), at.getMilliseconds()]
    : [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCMilliseconds()];
}

export function day(time, local) {
  const [year, month, date] = parts(time, local);
  return `${year}-${two(month + 1)}-${two(date)}`;
}

/** HH:MM:SS with so many digits of the second behind the point. */
export function clock(time, local, digits = 0) {
  const [, , , hours, minutes, seconds, rest] = parts(time, local);
  const fraction = digits ? "." + String(rest).padStart(3, "0").slice(0, digits) : "";
  return `${two(hours)}:${two(minutes)}:${two(seconds)}${fraction}`;
}

/** What stands at a tick of an axis whose ticks are `step` ms apart. */
export function tick(time, step, local) {
  if (step < 1000) return clock(time, local, step < 100 ? 2 : 1);
  if (step < 60000) return clock(time, local);
  if (step < 86400000) return clock(time, local).slice(0, 5);
  return day(time, local).slice(5);
}

/** A number with as many digits as a reader can use; a dash for none. */
export function number(value, digits) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (digits !== undefined && digits !== null) return signed(value.toFixed(digits));
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return signed(value.toExponential(2));
  return signed(value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3));
}

const signed = (text) => text.replace("-", "\u2212");
