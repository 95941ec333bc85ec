// Palettes: colours for values, which also those can tell apart who see no red or no green.
//
// Sequential: viridis, cividis and inferno (matplotlib, CC0), by nine anchors each. Diverging: blue, white, orange
// after ColorBrewer's PuOr and the tableau pair.

import { TOP } from './frame.js';

const ANCHORS = {
  viridis: ['440154', '472d7b', '3b528b', '2c728e', '21918c', '28ae80', '5ec962', 'addc30', 'fde725'],
  cividis: ['00224e', '123570', '3b496c', '575d6d', '707173', '8a8678', 'a59c74', 'c3b369', 'fee838'],
  inferno: ['000004', '210c4a', '57106e', '8a226a', 'bc3754', 'e45a31', 'f98e09', 'f9cb35', 'fcffa4'],
  diverging: ['1f5fa8', '4287c4', '83b4dc', 'c3dbec', 'f4f4f1', 'fbd3a5', 'f2a45a', 'd97519', 'a34c00'],
};
/** The palette of each metric, in the order of a frame. */
const OF_METRIC = ['viridis', 'inferno', 'diverging', 'cividis', 'cividis'];

const made = new Map();

/** Colours from the least to the most, one for each byte that is a value. */
export function colours(name) {
  let found = made.get(name);
  if (!found) {
    const anchors = ANCHORS[name].map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    found = Array.from({ length: TOP + 1 }, (_, byte) => {
      const place = (byte / TOP) * (anchors.length - 1);
      const low = Math.min(Math.floor(place), anchors.length - 2);
      const mix = anchors[low].map((part, i) => Math.round(part + (anchors[low + 1][i] - part) * (place - low)));
      return `rgb(${mix.join(',')})`;
    });
    made.set(name, found);
  }
  return found;
}

export const paletteOf = (metric) => OF_METRIC[metric];
export const isDiverging = (metric) => OF_METRIC[metric] === 'diverging';

/** What a range is shown as: one that has zero in it is even about zero where the palette has a middle. */
export function shownRange(metric, least, most) {
  if (!isDiverging(metric) || least >= 0 || most <= 0) return [least, most];
  const half = Math.max(-least, most);
  return [-half, half];
}

/** A linear gradient for a legend. */
export function gradient(name) {
  return `linear-gradient(to right, ${ANCHORS[name].map((hex) => `#${hex}`).join(',')})`;
}

/** Lines across for what has no value, so that it is no colour of the scale. */
export function hatch(context, line, ground) {
  const tile = document.createElement('canvas');
  tile.width = 6;
  tile.height = 6;
  const draw = tile.getContext('2d');
  draw.fillStyle = ground;
  draw.fillRect(0, 0, 6, 6);
  draw.strokeStyle = line;
  draw.lineWidth = 1;
  draw.beginPath();
  for (const at of [-3, 0, 3, 6]) {
    draw.moveTo(at, 6);
    draw.lineTo(at + 6, 0);
  }
  draw.stroke();
  return context.createPattern(tile, 'repeat');
}
