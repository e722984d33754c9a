// Geometry of maps: where degrees come to lie, and what lies between devices.

/** Degrees to a plane on which distances near `latitude` are right; y goes down. */
export function projection(latitude) {
  const narrow = Math.max(0.05, Math.cos((latitude * Math.PI) / 180));
  return { x: (longitude) => longitude * narrow, y: (degrees) => -degrees };
}

/** {x, y, scale} that shows [left, top, right, bottom] in width x height with a margin. */
export function fitted(box, width, height, margin) {
  const [left, top, right, bottom] = box;
  const across = Math.max(right - left, 1e-6);
  const down = Math.max(bottom - top, 1e-6);
  const scale = Math.min((width - 2 * margin) / across, (height - 2 * margin) / down);
  return { scale, x: width / 2 - ((left + right) / 2) * scale, y: height / 2 - ((top + bottom) / 2) * scale };
}

export function extent(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return box[0] <= box[2] ? box : null;
}

/**
 * Values between devices: [{x, y, value}] on a grid of cells over width x height, weighted by 1 / distance²
 * (Shepard 1968). Each cell has [value, share], share falling to 0 at `reach` from the nearest device.
 */
export function between(devices, width, height, cell, reach) {
  const across = Math.ceil(width / cell);
  const down = Math.ceil(height / cell);
  const found = new Float32Array(2 * across * down);
  for (let row = 0; row < down; row++)
    for (let column = 0; column < across; column++) {
      const x = (column + 0.5) * cell;
      const y = (row + 0.5) * cell;
      let sum = 0;
      let weights = 0;
      let nearest = Infinity;
      for (const each of devices) {
        const square = (each.x - x) ** 2 + (each.y - y) ** 2 + 9;
        if (square < nearest) nearest = square;
        sum += each.value / square;
        weights += 1 / square;
      }
      const at = 2 * (row * across + column);
      found[at] = weights ? sum / weights : NaN;
      found[at + 1] = Math.max(0, 1 - Math.sqrt(nearest) / reach);
    }
  return { across, down, found };
}

/** Points of an ellipse about (longitude, latitude): half axes in km, the first one's degrees from north. */
export function ellipse(longitude, latitude, major, minor, bearing) {
  const north = 1 / 111.2;
  const east = north / Math.max(0.05, Math.cos((latitude * Math.PI) / 180));
  const turn = (bearing * Math.PI) / 180;
  return Array.from({ length: 65 }, (_, k) => {
    const [along, aside] = [major * Math.cos((k * Math.PI) / 32), minor * Math.sin((k * Math.PI) / 32)];
    return [
      longitude + (along * Math.sin(turn) + aside * Math.cos(turn)) * east,
      latitude + (along * Math.cos(turn) - aside * Math.sin(turn)) * north,
    ];
  });
}
